/** The same inputs give the same image: other stores, other checkouts, other days. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { warmMachines } from '../support/warm-command.js';
import { context, tempDir, writeTree } from '../support/wiac.js';

const machine = warmMachines();

const DOCKERFILE = [
  'FROM scratch',
  'WORKDIR /work/deep',
  'COPY src app/sub/',
  'COPY one two new/',
  'COPY --chown=3:4 --chmod=600 one /owned/by/three',
  'COPY <<EOF /inline/file',
  'text',
  'EOF',
  'ADD archive.tar /unpacked/',
  'ENV A=b',
].join('\n');

const NAMES = ['a', 'b', 'c/d', 'c/e', 'f'];

/** A checkout of the same files: made in another order, with times of its own. */
async function checkout(order: 'forwards' | 'backwards', time: string): Promise<string> {
  const root = tempDir();
  const names = order === 'forwards' ? NAMES : [...NAMES].reverse();
  for (const name of names) writeTree(root, { [`src/${name}`]: name });
  writeTree(root, { Dockerfile: DOCKERFILE, one: '1', two: '2' });
  await execa('sh', ['-c', 'tar --mtime=@5 -cf archive.tar one two'], { cwd: root });
  await execa('find', ['.', '-exec', 'touch', '-h', '-d', time, '{}', '+'], { cwd: root });
  return root;
}

/** The archive of the image, built in a new store unless one is given. */
async function archive(
  root: string,
  flags: string[],
  env: Record<string, string> = {},
  made = machine(),
) {
  const file = join(tempDir(), 'image.tar');
  const [parameters = '', ...others] = flags;
  const output = `--output=type=oci,dest=${file}${parameters}`;
  const { exitCode, stderr } = await made.wiac(['build', output, ...others, root], { env });
  if (exitCode !== 0) throw new Error(stderr);
  return { file, bytes: readFileSync(file) };
}

async function getConfig(file: string) {
  return JSON.parse((await execa('skopeo', ['inspect', '--config', `oci-archive:${file}`])).stdout);
}

test('without SOURCE_DATE_EPOCH: files with the same times give the same archive', async () => {
  const root = await checkout('forwards', '2020-01-02T03:04:05.678Z');
  const copy = join(tempDir(), 'copy');
  await execa('cp', ['-a', root, copy]);
  const [first, second] = [await archive(root, []), await archive(copy, [])];
  expect(second.bytes.equals(first.bytes)).toBe(true);
  const config = await getConfig(first.file);
  expect(config.created).toBe('2020-01-02T03:04:05Z');
  expect(new Set(config.history.map(({ created }: { created: string }) => created))).toEqual(
    new Set(['2020-01-02T03:04:05Z']),
  );
});

test('rewrite-timestamp: times and order of the files do not matter', async () => {
  const [one, two] = [
    await checkout('forwards', '2021-01-01T00:00:00.5Z'),
    await checkout('backwards', '2022-02-02T02:02:02Z'),
  ];
  const SOURCE_DATE_EPOCH = '1600000000';
  const rewrite = [',rewrite-timestamp=true'];
  const first = await archive(one, rewrite, { SOURCE_DATE_EPOCH });
  const second = await archive(two, [
    ...rewrite,
    `--build-arg=SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH}`,
  ]);
  expect(second.bytes.equals(first.bytes)).toBe(true);
  expect((await getConfig(first.file)).created).toBe('2020-09-13T12:26:40Z');
  // The argument wins over the environment, and the times do count without rewrite-timestamp.
  const plain = await archive(one, [''], { SOURCE_DATE_EPOCH });
  const other = await archive(two, [''], { SOURCE_DATE_EPOCH });
  expect((await getConfig(plain.file)).created).toBe('2020-09-13T12:26:40Z');
  expect(other.bytes.equals(plain.bytes)).toBe(false);
});

test('a layer that was packed before is packed anew for another epoch', async () => {
  const root = await checkout('forwards', '2021-01-01T00:00:00Z');
  const made = machine();
  const digests = new Set<string>();
  for (const epoch of ['1500000000', '1500000001', '1500000000']) {
    const file = join(tempDir(), 'image.tar');
    const flags = [`--output=type=oci,dest=${file},rewrite-timestamp=true`];
    await made.wiac(['build', ...flags, root], { env: { SOURCE_DATE_EPOCH: epoch } });
    const fresh = await archive(root, [',rewrite-timestamp=true'], { SOURCE_DATE_EPOCH: epoch });
    expect(readFileSync(file).equals(fresh.bytes)).toBe(true);
    digests.add((await execa('sha256sum', [file])).stdout.slice(0, 64));
  }
  expect(digests.size).toBe(2);
});

test('a layer of a shared cache gets the times of the epoch, also where it was here as that of an image', async () => {
  const root = await checkout('forwards', '2021-01-01T00:00:00Z');
  const place = tempDir();
  const [cache, layout] = [join(place, 'cache'), join(place, 'layout')];
  const to = `--cache-to=type=local,dest=${cache},mode=max`;
  await machine().build(root, to, `--output=type=oci,dest=${layout},tar=false`);
  const made = machine();
  const upon = context({ Dockerfile: 'FROM image\nWORKDIR /more\n' });
  await made.build(upon, `--build-context=image=oci-layout://${layout}`);
  const [SOURCE_DATE_EPOCH, rewrite] = ['1600000000', ',rewrite-timestamp=true'];
  const first = await archive(root, [rewrite], { SOURCE_DATE_EPOCH });
  const from = `--cache-from=type=local,src=${cache}`;
  const second = await archive(root, [rewrite, from], { SOURCE_DATE_EPOCH }, made);
  expect(second.bytes.equals(first.bytes)).toBe(true);
});

test('trees have the times of SOURCE_DATE_EPOCH', async () => {
  const root = await checkout('forwards', '2021-01-01T00:00:00Z');
  const dest = tempDir();
  const { exitCode } = await machine().wiac(['build', '-o', dest, root], {
    env: { SOURCE_DATE_EPOCH: '1000' },
  });
  expect(exitCode).toBe(0);
  for (const path of ['inline', 'inline/file', 'work/deep/app/sub/c/d'])
    expect(statSync(join(dest, path)).mtimeMs).toBe(1_000_000);
});

test('SOURCE_DATE_EPOCH that is no time', async () => {
  const root = await checkout('forwards', '2021-01-01T00:00:00Z');
  const { exitCode, stderr } = await machine().wiac(['build', '-o', tempDir(), root], {
    env: { SOURCE_DATE_EPOCH: 'yesterday' },
  });
  expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining('seconds') });
});

describe('SOURCE_DATE_EPOCH in the Dockerfile', () => {
  async function created(text: string, ...flags: string[]) {
    const layout = join(tempDir(), 'layout');
    const output = `--output=type=oci,dest=${layout},tar=false,rewrite-timestamp=true`;
    const { wiac } = machine();
    const result = await wiac(['build', '-q', output, ...flags, context({ Dockerfile: text })]);
    if (result.exitCode !== 0) return result;
    const blob = (digest: string) =>
      JSON.parse(readFileSync(join(layout, 'blobs/sha256', digest.slice(7)), 'utf8'));
    const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'));
    return blob(blob(index.manifests[0].digest).config.digest).created;
  }

  test('counts, before the first FROM and in the stage that is built', async () => {
    expect(await created('ARG SOURCE_DATE_EPOCH=1000\nFROM scratch\nLABEL a=b\n')).toBe(
      '1970-01-01T00:16:40Z',
    );
    expect(await created('FROM scratch\nARG SOURCE_DATE_EPOCH=1000\nLABEL a=b\n')).toBe(
      '1970-01-01T00:16:40Z',
    );
    expect(
      await created(
        'ARG SOURCE_DATE_EPOCH=1000\nFROM scratch\nLABEL a=b\n',
        '--build-arg=SOURCE_DATE_EPOCH=2000',
      ),
    ).toBe('1970-01-01T00:33:20Z');
  });

  test('a value that is no time is refused, with outputs or without', async () => {
    const text = 'ARG SOURCE_DATE_EPOCH=yesterday\nFROM scratch\nLABEL a=b\n';
    expect(await created(text)).toMatchObject({ exitCode: 3 });
    const { wiac } = machine();
    const { exitCode, stderr } = await wiac(['build', context({ Dockerfile: text })]);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 3,
      stderr: expect.stringContaining('Dockerfile:1:1: SOURCE_DATE_EPOCH=yesterday is no time'),
    });
    const given = [
      'build',
      '--build-arg=SOURCE_DATE_EPOCH=x',
      context({ Dockerfile: 'FROM scratch\nLABEL a=b\n' }),
    ];
    expect((await wiac(given)).exitCode).toBe(2);
  });
});
