/** `wiac images`, `tag`, `rmi`, `inspect`, `history`. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, type Machine, tempDir } from '../support/wiac.js';

const machine = warmMachines();

interface Described {
  readonly Id: string;
  readonly RepoTags: readonly string[];
  readonly RootFS: { readonly Layers: readonly string[] };
  readonly Lowerdirs: string;
  readonly Layers: readonly { readonly Path: string; readonly Size: number }[];
}

async function lines({ wiac }: Machine, ...args: string[]): Promise<string[]> {
  const { stdout, stderr, exitCode } = await wiac(args);
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  return stdout.split('\n').filter(Boolean);
}

/** Two images: `app`, which was built twice, and `other`. */
async function withImages(): Promise<Machine> {
  const made = machine();
  for (const word of ['first', 'second']) {
    const Dockerfile = dockerfile(`RUN echo ${word} > /word`, `LABEL word=${word}`, 'CMD ["x"]');
    await made.build(context({ Dockerfile }), '-t', 'app');
  }
  await made.build(context({ Dockerfile: dockerfile('ENV A=b') }), '-t', 'host:5000/some/other:2');
  return made;
}

const NAMES = ['images', '--format', '{{.Name}}'];

describe('wiac images', () => {
  test('selects by reference and filters, as docker does', async () => {
    const made = await withImages();
    const names = (...args: string[]) => lines(made, ...NAMES, ...args);
    expect(await names()).toEqual(['app:latest', 'host:5000/some/other:2']);
    expect(await names('app')).toEqual(['app:latest']);
    expect(await names('a*:l*')).toEqual(['app:latest']);
    expect(await names('*')).toEqual(['app:latest']);
    expect(await names('host:5000/*/other')).toEqual(['host:5000/some/other:2']);
    expect(await names('other')).toEqual([]);
    expect(await names('-f', 'label=word=second')).toEqual(['app:latest']);
    expect(await names('-f', 'label=word=first', '-a')).toEqual(['<none>']);
    expect(await names('-f', 'dangling=true')).toEqual(['<none>']);
    expect(await names('-f', 'since=app')).toEqual(['host:5000/some/other:2']);
    expect(await names('-f', 'before=app', '-a')).toEqual(['<none>']);
    const wrong = await made.wiac(['images', '-f', 'colour=red']);
    expect(wrong).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('reference,') });
  });

  test('-q prints ids that other commands take; a name that moved leaves an image without one', async () => {
    const made = await withImages();
    const [old = ''] = await lines(made, 'images', '-q', '-f', 'dangling=true');
    expect(old).toMatch(/^[0-9a-f]{12}$/);
    expect(await lines(made, 'inspect', old, '-f', '{{.Config.Labels.word}}')).toEqual(['first']);
    const [deleted = ''] = await lines(made, 'rmi', old);
    expect(deleted.startsWith(`Deleted: sha256:${old}`)).toBe(true);
    expect(await lines(made, 'images', '-q', '-f', 'dangling=true')).toEqual([]);
    const whole = await lines(made, 'images', '-q', '--no-trunc', 'app');
    expect(whole).toEqual([expect.stringMatching(/^sha256:[0-9a-f]{64}$/)]);
  });
});

describe('wiac tag and rmi', () => {
  test('names come and go; the image goes with the last, its layers stay for the next build', async () => {
    const made = await withImages();
    expect(await lines(made, 'tag', 'app', 'app:1', 'host/x')).toEqual([]);
    expect(await lines(made, ...NAMES, '-f', 'label=word')).toEqual([
      'app:1',
      'app:latest',
      'host/x:latest',
    ]);
    expect(await lines(made, 'rmi', 'app', 'host/x')).toEqual([
      'Untagged: app:latest',
      'Untagged: host/x:latest',
    ]);
    const [id = ''] = await lines(made, 'inspect', 'app:1', '--format', '{{.Id}}');
    const [described] = JSON.parse((await made.wiac(['inspect', 'app:1'])).stdout) as Described[];
    expect(await lines(made, 'rmi', 'app:1')).toEqual(['Untagged: app:1', `Deleted: ${id}`]);
    expect(described?.Layers.length).toBe(2);
    for (const { Path } of described?.Layers ?? []) expect(existsSync(Path)).toBe(true);
    expect(await made.wiac(['inspect', id])).toMatchObject({ exitCode: 10 });
  });

  test('an id with several names needs --force; nothing goes when one is not there', async () => {
    const made = await withImages();
    await lines(made, 'tag', 'app', 'app:1');
    const [id = ''] = await lines(made, 'images', '-q', 'app');
    const several = await made.wiac(['rmi', id]);
    expect(several.exitCode).toBe(2);
    expect(several.stderr).toContain('app:1, app:latest');
    const missing = await made.wiac(['rmi', 'app', 'ap']);
    expect(missing.exitCode).toBe(10);
    expect(missing.stderr).toContain('did you mean app?');
    expect(await lines(made, ...NAMES, 'app')).toEqual(['app:1', 'app:latest']);
    expect(await lines(made, 'rmi', '-f', id, 'nothing')).toEqual([
      'Untagged: app:1',
      'Untagged: app:latest',
      expect.stringContaining('Deleted: '),
    ]);
  });

  test('docker.io/library and docker:// are the same name as without them', async () => {
    const made = await withImages();
    const same = ['docker.io/library/app', 'index.docker.io/library/app:latest', 'docker://app'];
    const [id = ''] = await lines(made, 'inspect', 'app', '--format', '{{.Id}}');
    for (const name of [...same, 'docker.io/app', 'docker-image://docker.io/library/app'])
      expect(await lines(made, 'inspect', name, '--format', '{{.Id}}')).toEqual([id]);
    for (const name of same) {
      expect(await lines(made, 'tag', 'app', name)).toEqual([]);
      const root = context({ Dockerfile: `FROM ${name}\nLABEL a=b\n` });
      await made.build(root);
    }
    expect(await lines(made, ...NAMES, 'app')).toEqual(['app:latest']);
    await lines(made, 'tag', 'app', 'docker.io/me/app');
    expect(await lines(made, ...NAMES, 'docker.io/me/*')).toEqual(['me/app:latest']);
    expect(await lines(made, 'rmi', 'docker.io/me/app')).toEqual(['Untagged: me/app:latest']);
  });

  test('what can be no name is refused', async () => {
    const { wiac } = machine();
    expect(await wiac(['tag', 'app', 'a b'])).toMatchObject({ exitCode: 2, stdout: '' });
    expect(await wiac(['tag', 'nothing', 'x'])).toMatchObject({ exitCode: 10 });
    const long = 'a'.repeat(5000);
    expect(await wiac(['inspect', long])).toMatchObject({ exitCode: 10 });
    expect(await wiac(['cache', 'show', long])).toMatchObject({ exitCode: 10 });
  });
});

describe('wiac inspect and history', () => {
  test('agree with what skopeo says of the image once it is pushed', async () => {
    const made = await withImages();
    const [before] = JSON.parse((await made.wiac(['inspect', 'app'])).stdout) as Described[];
    const layout = join(tempDir(), 'layout');
    const [digest] = await lines(made, 'push', 'app', `oci-layout://${layout}:app`);
    const { stdout } = await execa('skopeo', ['inspect', '--config', `oci:${layout}:app`]);
    const config = JSON.parse(stdout);
    expect(before).toMatchObject({
      RepoTags: ['app:latest'],
      RepoDigests: [`docker.io/library/app@${digest}`],
      Architecture: config.architecture,
      Os: config.os,
      Config: config.config,
      RootFS: { Type: 'layers', Layers: config.rootfs.diff_ids },
    });
    const [after] = JSON.parse((await made.wiac(['inspect', 'app'])).stdout);
    expect(after).toEqual(before);
    const run = await made.wiac(['run', before?.Lowerdirs ?? '', tempDir(), '/bin/cat', '/word']);
    expect(run.stdout).toBe('second\n');

    const history = JSON.parse((await made.wiac(['history', '--format=json', 'app'])).stdout);
    const said = [...config.history].reverse();
    expect(history.map(({ createdBy }: { createdBy: string }) => createdBy)).toEqual(
      said.map(({ created_by }) => created_by),
    );
    expect(history.map(({ layer }: { layer: string | null }) => layer === null)).toEqual(
      said.map(({ empty_layer }) => empty_layer === true),
    );
    const sizes = history.map(({ bytes }: { bytes: number }) => bytes);
    expect(sizes).toEqual([0, 0, 'second\n'.length, statSync('/bin/busybox').size]);
  });

  test('history cuts long instructions, unless told otherwise', async () => {
    const { build, wiac } = machine();
    const long = `echo ${'x'.repeat(60)}`;
    await build(context({ Dockerfile: dockerfile(`RUN ${long}`) }), '-t', 'app');
    expect((await wiac(['history', 'app'])).stdout).toContain('xxx…');
    expect((await wiac(['history', '--no-trunc', 'app'])).stdout).toContain(long);
  });

  test('an image that was pulled keeps its digest and its time', async () => {
    const made = await withImages();
    const layout = join(tempDir(), 'layout');
    await lines(made, 'push', 'app', `oci-layout://${layout}:app`);
    const other = machine();
    await lines(other, 'pull', `oci-layout://${layout}:app`, '-t', 'host:5000/x:1');
    const digest = JSON.parse(
      (await execa('skopeo', ['inspect', `oci:${layout}:app`])).stdout,
    ).Digest;
    expect(
      await lines(other, 'inspect', 'host:5000/x:1', '--format', '{{json .RepoDigests}}'),
    ).toEqual([JSON.stringify([`host:5000/x@${digest}`])]);
    expect(await lines(other, 'images', '--digests')).toEqual([
      expect.stringContaining('DIGEST'),
      expect.stringContaining(digest),
    ]);
    const { stdout } = await execa('skopeo', ['inspect', '--config', `oci:${layout}:app`]);
    const created = new Date(JSON.parse(stdout).created).toISOString();
    expect(await lines(other, 'inspect', 'host:5000/x:1', '--format', '{{.Created}}')).toEqual([
      created,
    ]);
  });

  test('a field that is not there: which there are', async () => {
    const made = await withImages();
    const { exitCode, stderr } = await made.wiac(['inspect', 'app', '--format', '{{.Nope}}']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('RepoTags');
    expect(await made.wiac(['inspect', 'app', '--format', '{{range .X}}'])).toMatchObject({
      exitCode: 2,
    });
  });
});

test('MAINTAINER is the author as it stands there, of what is built on it as well', async () => {
  const { wiac, build } = machine();
  const layout = join(tempDir(), 'layout');
  const author = (name: string) => {
    const blob = (digest: string) =>
      JSON.parse(readFileSync(join(layout, 'blobs/sha256', digest.slice(7)), 'utf8'));
    const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as {
      manifests: { digest: string; annotations: Record<string, string> }[];
    };
    const found = index.manifests.find(
      ({ annotations }) => annotations['org.opencontainers.image.ref.name'] === name,
    );
    return blob(blob(found?.digest ?? '').config.digest).author;
  };
  const expected = 'Some $BODY <s@b>';
  const text = `FROM scratch\nENV BODY=no\nMAINTAINER ${expected}\n`;
  await build(context({ Dockerfile: text }), '-t', 'one');
  await build(context({ Dockerfile: 'FROM one AS a\nFROM a\nLABEL x=y\n' }), '-t', 'two');
  await wiac(['push', 'one', `oci-layout://${layout}:one`]);
  await wiac(['push', 'two', `oci-layout://${layout}:two`]);
  expect([author('one'), author('two')]).toEqual([expected, expected]);
  const other = machine();
  await other.wiac(['pull', '-t', 'one', `oci-layout://${layout}:one`]);
  await other.build(context({ Dockerfile: 'FROM one\nLABEL z=y\n' }), '-t', 'three');
  await other.wiac(['push', 'three', `oci-layout://${layout}:three`]);
  expect(author('three')).toBe(expected);
});
