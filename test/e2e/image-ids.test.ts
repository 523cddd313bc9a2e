/** The id of an image is the digest of its config, wherever it came from, as with docker and podman. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { buildahImage, startRegistry } from '../support/registry.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, type Machine, tempDir } from '../support/wiac.js';

const machine = warmMachines();

async function lines({ wiac }: Machine, ...args: string[]): Promise<string[]> {
  const { stdout, stderr, exitCode } = await wiac(args);
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  return stdout.split('\n').filter(Boolean);
}

async function one(made: Machine, ...args: string[]): Promise<string> {
  const [line = '', ...more] = await lines(made, ...args);
  expect(more).toEqual([]);
  return line;
}

const ID = ['--format', '{{.Id}}'];

/** The digests that skopeo finds at a reference. */
async function skopeo(reference: string): Promise<{ manifest: string; config: string }> {
  const inspect = (...args: string[]) =>
    execa('skopeo', ['inspect', '--tls-verify=false', ...args, reference]);
  const [{ stdout: raw }, { stdout: manifest }] = await Promise.all([
    inspect('--raw'),
    inspect('--format', '{{.Digest}}'),
  ]);
  return { manifest, config: JSON.parse(raw).config.digest };
}

const APP = dockerfile('RUN echo 1 > /one && touch -d @1000000000 /one', 'ENV A=b', 'CMD ["x"]');

describe('the id of an image', () => {
  test('is the digest of the config that a push writes; the manifest is in RepoDigests', async () => {
    const registry = await startRegistry();
    try {
      const made = machine();
      const iidfile = join(tempDir(), 'iid');
      const metadataFile = join(tempDir(), 'metadata');
      const root = context({ Dockerfile: APP });
      await made.build(root, '-t', 'app', '--iidfile', iidfile, '--metadata-file', metadataFile);
      const id = readFileSync(iidfile, 'utf8');
      const [digest = ''] = JSON.parse(
        await one(made, 'inspect', 'app', '--format', '{{json .RepoDigests}}'),
      );
      const target = `${registry.host}/app:1`;
      expect(await one(made, 'push', 'app', target)).toBe(digest.split('@')[1]);
      const pushed = await skopeo(`docker://${target}`);
      expect(pushed).toEqual({ config: id, manifest: digest.split('@')[1] });
      expect(await one(made, 'images', '--format', '{{.Digest}}')).toBe(pushed.manifest);
      const metadata = JSON.parse(readFileSync(metadataFile, 'utf8'));
      expect(metadata).toMatchObject({
        'containerimage.config.digest': id,
        'containerimage.digest': pushed.manifest,
      });
      expect(await one(made, 'inspect', 'app', ...ID)).toBe(id);
      expect(await one(made, 'images', '-q', '--no-trunc')).toBe(id);
      expect(await one(made, 'images', '-q')).toBe(id.slice(7, 19));
      // Another store has the same id for it, from the registry and from archives.
      for (const compression of ['zstd', 'gzip']) {
        await lines(
          made,
          'push',
          '--compression',
          compression,
          '--force-compression',
          'app',
          target,
        );
        const other = machine();
        expect(await one(other, 'pull', target)).toBe(id);
        expect(await one(other, 'inspect', target, ...ID)).toBe(id);
        const { manifest } = await skopeo(`docker://${target}`);
        const digests = await one(other, 'inspect', target, '-f', '{{json .RepoDigests}}');
        expect(JSON.parse(digests)).toEqual([`${registry.host}/app@${manifest}`]);
        expect(await one(other, 'inspect', `${registry.host}/app@${manifest}`, ...ID)).toBe(id);
        expect(await one(other, 'inspect', manifest, ...ID)).toBe(id);
        expect(await one(made, 'pull', target)).toBe(id);
      }
      expect(await one(made, 'inspect', 'app', '-f', '{{json .RepoTags}}')).toBe(
        JSON.stringify(['app:latest', target].sort()),
      );
    } finally {
      await registry.stop();
    }
  });

  test('is that of docker save and of podman', async () => {
    const made = machine();
    const archive = join(tempDir(), 'image.tar');
    await made.build(
      context({ Dockerfile: APP }),
      '-t',
      'app',
      '-o',
      `type=docker,dest=${archive}`,
    );
    const id = await one(made, 'inspect', 'app', ...ID);
    const other = machine();
    expect(await one(other, 'pull', `docker-archive:${archive}`, '-t', 'loaded')).toBe(id);
    const storage = tempDir();
    const podman = (...args: string[]) =>
      execa('podman', ['--root', storage, '--runroot', join(storage, 'run'), ...args]);
    const [loaded] = await Promise.all([podman('load', '-q', '-i', archive)]);
    const name = loaded.stdout.replace('Loaded image: ', '');
    const { stdout } = await podman('image', 'inspect', '--format', '{{.Id}}', name);
    expect(`sha256:${stdout}`).toBe(id);
    // Pushed on, it keeps its config.
    const layout = join(tempDir(), 'layout');
    await lines(other, 'push', 'loaded', `oci-layout://${layout}:x`);
    expect((await skopeo(`oci:${layout}:x`)).config).toBe(id);
  });

  test('is that of buildah, also when the layers are compressed anew and the kind is another', async () => {
    const { name, storage } = await buildahImage(['LABEL a=b', 'COPY Dockerfile /']);
    const buildah = (...args: string[]) => execa('buildah', [...storage, ...args]);
    const { stdout } = await buildah('inspect', '--type', 'image', '-f', '{{.FromImageID}}', name);
    const archive = join(tempDir(), 'image.tar');
    await buildah('push', '-q', name, `docker-archive:${archive}:app:1`);
    const made = machine();
    expect(await one(made, 'pull', `docker-archive:${archive}`, '-t', 'app')).toBe(
      `sha256:${stdout}`,
    );
    const layout = join(tempDir(), 'layout');
    for (const compression of ['gzip', 'zstd']) {
      const flags = ['--compression', compression, '--force-compression'];
      await lines(made, 'push', ...flags, 'app', `oci-layout://${layout}:x`);
      expect((await skopeo(`oci:${layout}:x`)).config).toBe(`sha256:${stdout}`);
    }
  });

  test('SOURCE_DATE_EPOCH of the build is in it', async () => {
    const made = machine();
    const iidfile = join(tempDir(), 'iid');
    const root = context({ Dockerfile: APP });
    const args = ['-t', 'app', '--iidfile', iidfile, '--build-arg', 'SOURCE_DATE_EPOCH=86400'];
    await made.build(root, ...args);
    const layout = join(tempDir(), 'layout');
    await lines(made, 'push', 'app', `oci-layout://${layout}:x`);
    expect((await skopeo(`oci:${layout}:x`)).config).toBe(readFileSync(iidfile, 'utf8'));
    const { stdout } = await execa('skopeo', ['inspect', '--config', `oci:${layout}:x`]);
    expect(JSON.parse(stdout).created).toBe('1970-01-02T00:00:00Z');
    const created = await one(made, 'inspect', 'app', '--format', '{{.Created}}');
    expect(created).toBe('1970-01-02T00:00:00.000Z');
  });

  test('its beginning is a name for run, tag, push, history, inspect, images, rmi and FROM', async () => {
    const made = machine();
    await made.build(context({ Dockerfile: dockerfile('RUN echo 1 > /one') }), '-t', 'app');
    const id = await one(made, 'images', '-q');
    const { stdout } = await made.wiac(['run', id, 'cat', '/one']);
    expect(stdout).toBe('1\n');
    await lines(made, 'tag', id.slice(0, 4), 'second');
    const layout = join(tempDir(), 'layout');
    const digest = () => one(made, 'images', '--format', '{{.Digest}}');
    expect(await digest()).toBe('<none>');
    const pushed = await one(made, 'push', `sha256:${id}`, `oci-layout://${layout}:x`);
    expect(await digest()).toBe(pushed);
    expect(await lines(made, 'history', id)).not.toEqual([]);
    expect(await one(made, 'inspect', id, '-f', '{{json .RepoTags}}')).toContain('second:latest');
    expect(await lines(made, 'images', '--format', '{{.Name}}', id)).toHaveLength(2);
    const from = context({ Dockerfile: `FROM ${id}\nRUN cat /one > /two\n` });
    await made.build(from);
    expect(await made.wiac(['rmi', 'fff'])).toMatchObject({ exitCode: 10 });
    expect(await lines(made, 'rmi', '-f', id.slice(0, 6))).toEqual([
      'Untagged: app:latest',
      'Untagged: second:latest',
      expect.stringContaining(`Deleted: sha256:${id}`),
    ]);
  });
});
