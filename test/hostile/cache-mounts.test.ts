/** Snapshots of cache mounts that somebody made who means harm: nothing of them is used. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { getDigest } from '../../src/oci/blob-digest.js';
import { layoutSink } from '../../src/oci/layout.js';
import type { OpenBlob } from '../../src/oci/resolved-image.js';
import { filesDescriptor, packDescriptor } from '../../src/shared-cache/mounts/outgoing.js';
import type { Pack } from '../../src/shared-cache/mounts/snapshot.js';
import { writeCache } from '../../src/shared-cache/write-cache.js';
import { mountName } from '../../src/store/pins/cache-mounts.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, getOutput, tempDir } from '../support/wiac.js';

const machine = warmMachines();

const ATTRIBUTES = { mode: 0o755, uid: 0, gid: 0 };
const NAME = mountName({ id: '/c', ...ATTRIBUTES });
const CONTENT = Buffer.from('content of a file');
const sha = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const FILE = ['f', 'file', 0, 0, 1, 0, 0o644, 20_000, sha(CONTENT), 0, 0, CONTENT.length];

interface Hostile {
  readonly rows?: readonly (readonly unknown[])[];
  /** What the pack holds. */
  readonly content?: Buffer;
  /** What the list says of the pack. */
  readonly pack?: Partial<Pack>;
  /** The list of files itself. */
  readonly list?: Buffer;
}

/** A cache with one mount. @returns its directory */
async function makeCache({ rows = [FILE], content = CONTENT, pack, list }: Hostile) {
  const directory = join(tempDir(), 'cache');
  const blob = gzipSync(content);
  const honest = { compression: 'gzip', bytes: content.length } as const;
  const digest = getDigest(blob);
  const listed: Pack = { digest, size: blob.length, ...honest, ...pack };
  const files = list ?? gzipSync(JSON.stringify({ version: 1, files: rows }));
  const listFile = { digest: getDigest(files), size: files.length };
  const open =
    (bytes: Buffer): OpenBlob =>
    () =>
      Readable.from([bytes]);
  await writeCache(
    layoutSink({ kind: 'oci-layout', directory, tag: 'latest' }),
    {
      version: 1,
      layers: [],
      entries: [],
      mounts: [
        {
          name: NAME,
          id: '/c',
          root: ATTRIBUTES,
          files: listFile,
          packs: [listed],
          count: 1,
          bytes: 1,
          created: 1,
        },
      ],
    },
    [
      { descriptor: packDescriptor({ ...listed, digest, size: blob.length }), open: open(blob) },
      { descriptor: filesDescriptor(listFile), open: open(files) },
    ],
    undefined,
  );
  return directory;
}

const root = () =>
  context({
    Dockerfile: dockerfile('RUN --mount=type=cache,target=/c ls -A /c; cat /c/file || true'),
  });

/** A build that takes its mount from a cache. */
async function build(cache: string, more = '') {
  const a = machine();
  const { events } = await a.build(root(), `--cache-from=type=local,src=${cache}${more}`);
  const warnings = events.filter(({ type }) => type === 'warning').map(({ message }) => message);
  return { output: getOutput(events), warnings: warnings.join('\n'), store: a.root };
}

const NOTHING = ["cat: can't open '/c/file': No such file or directory"];

test('an honest one is used', async () => {
  const { output, warnings } = await build(await makeCache({}));
  expect({ output, warnings }).toEqual({ output: ['file', 'content of a file'], warnings: '' });
});

const row = (kind: string, path: string, ...rest: unknown[]) => [kind, path, 0, 0, 1, 0, ...rest];
const fileAt = (path: string) => [...FILE.slice(0, 1), path, ...FILE.slice(2)];

describe('the mount stays empty, and the build says why', () => {
  test.each<[string, Hostile, string]>([
    ['a file that leads out', { rows: [fileAt('../../escaped')] }, 'row 0'],
    ['a file below a link', { rows: [row('l', 'd', '/'), fileAt('d/escaped')] }, 'row 1'],
    ['a link to a file outside', { rows: [['h', 'file', '../../index/data.mdb']] }, 'row 0'],
    ['a device', { rows: [row('c', 'file', 0o666, 1, 3)] }, 'row 0'],
    ['another content', { content: Buffer.from('CONTENT OF A FILE') }, 'another digest'],
    [
      'a pack that is larger than it says',
      { content: Buffer.alloc(4 << 20), pack: { bytes: 99 } },
      'size',
    ],
    ['a pack that is smaller', { pack: { bytes: 99 } }, 'size'],
    ['a pack of another digest', { pack: { digest: getDigest(CONTENT) } }, 'lacks the blob'],
    ['a list that fills the memory', { list: gzipSync(Buffer.alloc(64 << 20)) }, "can't be read"],
    ['a list of another version', { list: gzipSync('{"version":9}') }, 'version 9'],
    [
      'files that fill the disk',
      { rows: [[...FILE.slice(0, 11), 1e15]], pack: { bytes: 1e15 } },
      'mounts-max',
    ],
  ])('%s', async (_, hostile, why) => {
    const cache = await makeCache(hostile);
    const { output, warnings, store } = await build(cache);
    expect(output).toEqual(NOTHING);
    expect(warnings).toContain(`the cache mount /c of ${cache} is not used`);
    expect(warnings).toContain(why);
    expect(readdirSync(join(store, 'mounts', NAME))).toEqual([]);
    expect(existsSync(join(store, 'escaped'))).toBe(false);
    expect(readdirSync(join(store, 'tmp'))).toEqual([]);
  });

  test('a pack that was changed after it was written', async () => {
    const cache = await makeCache({});
    for (const name of readdirSync(join(cache, 'blobs/sha256'))) {
      const path = join(cache, 'blobs/sha256', name);
      const bytes = readFileSync(path);
      if (bytes.equals(gzipSync(CONTENT))) writeFileSync(path, gzipSync(Buffer.from('x')));
    }
    const { output, warnings } = await build(cache);
    expect(output).toEqual(NOTHING);
    expect(warnings).toContain('is damaged');
  });

  test('required=true: the build fails', async () => {
    const cache = await makeCache({ rows: [fileAt('../escaped')] });
    const from = `--cache-from=type=local,src=${cache},required=true`;
    const { exitCode, stderr } = await machine().wiac(['build', from, root()]);
    expect(exitCode).toBe(11);
    expect(stderr).toContain('is damaged');
  });
});

describe('signatures', () => {
  async function pair() {
    const directory = tempDir();
    const [key, pub] = [join(directory, 'key'), join(directory, 'pub')];
    await execa('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', key]);
    await execa('openssl', ['pkey', '-in', key, '-pubout', '-out', pub]);
    return { key, pub };
  }

  test('a mount that nobody signed is not used, nor passed on under a signature', async () => {
    const { key, pub } = await pair();
    const cache = await makeCache({});
    const { output, warnings } = await build(cache, `,trust-key=${pub}`);
    expect(output).toEqual(NOTHING);
    expect(warnings).toContain('not signed');
    // A build that signs writes to the same cache; its steps do not mount it.
    const other = context({ Dockerfile: dockerfile('RUN true') });
    await machine().build(other, `--cache-to=type=local,dest=${cache},mounts=true,sign-key=${key}`);
    const { stdout } = await machine().wiac(['cache', 'mounts', 'ls', `type=local,src=${cache}`]);
    expect(stdout).not.toContain('/c');
  });

  test('one that was signed is used', async () => {
    const { key, pub } = await pair();
    const cache = join(tempDir(), 'cache');
    const make = context({
      Dockerfile: dockerfile('RUN --mount=type=cache,target=/c echo mine > /c/file'),
    });
    const to = `--cache-to=type=local,dest=${cache},mounts=true,sign-key=${key}`;
    await machine().build(make, to);
    await machine().build(context({ Dockerfile: dockerfile('RUN true') }), to);
    const { output, warnings } = await build(cache, `,trust-key=${pub}`);
    expect({ output, warnings }).toEqual({ output: ['file', 'mine'], warnings: '' });
  });
});
