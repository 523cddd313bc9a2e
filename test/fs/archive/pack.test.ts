import { createHash } from 'node:crypto';
import { lstatSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { PackOptions } from '../../../src/fs/archive/pack.js';
import { packLayer, packTree } from '../../../src/fs/archive/pack.js';
import { createWindowMemory, getBytes } from '../../../src/fs/archive/windows.js';
import { describeTree, EVERYTHING, gnuTar, made, run, scratch, sha256, unpack } from './helpers.js';

async function pack(directory: string, options: Partial<PackOptions> = {}): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const memory = createWindowMemory();
  const archive = packLayer(directory, { opaque: [], memory, ...options });
  for await (const chunk of getBytes(archive, memory)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What GNU tar lists of an archive. */
function listed(archive: Buffer, ...flags: string[]): string[] {
  const directory = scratch();
  writeFileSync(join(directory, 'layer.tar'), archive);
  return run('tar', [...flags, '-tf', 'layer.tar'], directory)
    .trim()
    .split('\n');
}

const LAYER = `${EVERYTHING}
  mknod gone c 0 0; mknod a/.first c 0 0; mknod a/b/zz c 0 0
  setfattr -n trusted.overlay.opaque -v y sticky
  setfattr -n trusted.overlay.origin -v 0x00fb a/b/file
  touch -d @99 .`;
/** Marks and times of whiteouts are not part of an archive; opaque marks are compared apart. */
const comparable = (root: string) =>
  describeTree(root, { rootTime: false })
    .filter((line) => !/^[^|]* \| c \| .* \| 0 \|/.test(line))
    .map((line) => line.replace(/ ?trusted\.overlay\.\w+=\w+/, ''));

test('the bytes of a tree are told as they are made', async () => {
  let told = 0;
  const onBytes = (bytes: number) => {
    told += bytes;
  };
  let length = 0;
  const layers = [{ path: made(EVERYTHING), opaque: new Set<string>() }];
  for await (const chunk of packTree(layers, { onBytes })) length += chunk.length;
  expect(told).toBe(length);
});

describe('round trips', () => {
  test('unpack(pack(directory)) is the directory', async () => {
    const source = made(LAYER);
    const target = scratch();
    const { opaque } = await unpack(await pack(source, { opaque: ['sticky'] }), target);
    expect(opaque).toEqual(['sticky']);
    expect(comparable(target)).toEqual(comparable(source));
    for (const path of ['gone', 'a/.first', 'a/b/zz']) {
      expect(lstatSync(join(target, path)).rdev).toBe(0);
      expect(lstatSync(join(target, path)).isCharacterDevice()).toBe(true);
    }
    const marks = run('getfattr', ['-R', '-P', '-h', '-d', '-m', 'overlay', '.'], target);
    expect(marks).toBe('# file: sticky\ntrusted.overlay.opaque="y"\n\n');
  });

  test('pack(unpack(archive)) is the archive, byte for byte', async () => {
    const archive = await pack(made(LAYER), { opaque: ['sticky', ''] });
    const target = scratch();
    const { opaque, diffId } = await unpack(archive, target);
    expect(diffId).toBe(sha256(archive));
    expect((await pack(target, { opaque })).equals(archive)).toBe(true);
  });

  test('GNU tar reads what we write as we do', async () => {
    const source = made(EVERYTHING);
    const target = scratch();
    writeFileSync(join(target, '../layer.tar'), await pack(source));
    const flags = ['--numeric-owner', '--xattrs', '--xattrs-include=*', '-xpf', '../layer.tar'];
    run('tar', flags, target);
    // tar writes into directories after it has made them, and sets their times: all but the root's.
    expect(comparable(target)).toEqual(comparable(source));
  });

  test('a large file and an archive of many chunks', async () => {
    const source = made(
      'head -c 3000001 /dev/urandom > big; for i in {1..300}; do seq $i > f$i; done',
    );
    const target = scratch();
    await unpack(await pack(source), target);
    expect(comparable(target)).toEqual(comparable(source));
  });
});

describe('the same files give the same bytes', () => {
  test('whatever the order in which they were made', async () => {
    const one = made(
      'for f in a b c "a b" a.b é; do echo $f > "$f"; done; mkdir d a-d; touch d/x; ln a l',
    );
    const two = made(
      'mkdir a-d d; touch d/x; for f in é a.b "a b" c b; do echo $f > "$f"; done; echo a > l; ln l a',
    );
    for (const directory of [one, two]) run('bash', ['-c', 'touch -h -d @5 * d/x'], directory);
    expect((await pack(one)).equals(await pack(two))).toBe(true);
  });

  test('times of whiteouts do not count', async () => {
    const one = made('mknod w c 0 0; touch -d @1 w');
    const two = made('mknod w c 0 0; touch -d @2 w');
    expect((await pack(one)).equals(await pack(two))).toBe(true);
  });
});

describe('the archive', () => {
  test('names parents first, then by bytes, with whiteouts before their siblings', async () => {
    const source = made(
      'mkdir d "d!" ; touch d/b d/a d.x "d!/x" !first; mknod d/z c 0 0; mknod hidden c 0 0',
    );
    const archive = await pack(source, { opaque: ['d', 'not there'] });
    expect(listed(archive)).toEqual([
      '.wh.hidden',
      '!first',
      'd/',
      'd/.wh..wh..opq',
      'd/.wh.z',
      'd/a',
      'd/b',
      'd!/',
      'd!/x',
      'd.x',
    ]);
  });

  test('has pax headers only where they are needed', async () => {
    const p = 'p'.repeat(80);
    const source = made(`mkdir ${p}; touch ${p}/short; touch -h -d @5 ${p}/short ${p}`);
    expect((await pack(source)).length).toBe(2 * 512 + 1024);
    run('touch', ['-d', '@5.5', `${p}/short`], source);
    expect((await pack(source)).length).toBe(4 * 512 + 1024);
    expect((await pack(source, { wholeSeconds: true })).length).toBe(2 * 512 + 1024);
  });

  test('the last moment of a second is not the next one', async () => {
    const source = made('touch -d @1700000000.999999999 f');
    const archive = await pack(source, { wholeSeconds: true });
    const lines = listed(archive, '--full-time', '-v').join();
    expect(lines).toContain(run('date', ['-d', '@1700000000', '+%H:%M:%S'], source).trim());
  });

  test('has no names of users', async () => {
    const archive = await pack(made('touch f; touch -d @5 f'));
    expect(archive.subarray(265, 329).every((byte) => byte === 0)).toBe(true);
  });

  test('leaves sockets out, and keeps the first of several hard links', async () => {
    const source = made('mkdir b; echo x > b/one; ln b/one a; ln b/one c');
    const server = createServer().listen(join(source, 'socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      const lines = listed(await pack(source), '-v').map((line) => line.replace(/^.*:\d\d /, ''));
      expect(lines).toEqual(['a', 'b/', 'b/one link to a', 'c link to a']);
    } finally {
      server.close();
    }
  });

  test('tells of the root directory only what is unusual', async () => {
    const source = made('touch f');
    expect(listed(await pack(source))).toEqual(['f']);
    run('chmod', ['1777', '.'], source);
    expect(listed(await pack(source))).toEqual(['./', 'f']);
  });

  test('clamps times to SOURCE_DATE_EPOCH when asked to', async () => {
    const source = made(
      'touch -d @1000.5 new; touch -d @100.5 old; touch -d @500.5 same; mkdir d; touch -d @501 d',
    );
    const times = async (options: Partial<PackOptions>) => {
      const target = scratch();
      await unpack(await pack(source, options), target);
      return ['d', 'new', 'old', 'same'].map((name) => lstatSync(join(target, name)).mtimeMs);
    };
    const untouched = [501_000, 1_000_500, 100_500, 500_500];
    expect(await times({})).toEqual(untouched);
    const newest: number[] = [];
    const onNewest = (seconds: number) => newest.push(seconds);
    expect(await times({ latest: 500, onNewest })).toEqual([500_000, 500_000, 100_500, 500_000]);
    expect(newest).toEqual([500]);
  });

  test('keeps names that are no text, and their attributes', async () => {
    const source = made("touch $'\\xff' 'a\\b' 'ü'; setfattr -n user.x -v 1 $'\\xff' 'a\\b' 'ü'");
    const target = scratch();
    await unpack(await pack(source), target);
    const dump = (root: string) => run('bash', ['-c', 'getfattr -d -- * | od -c'], root);
    expect(dump(target)).toBe(dump(source));
    expect(run('bash', ['-c', "getfattr -n user.x $'\\xff'"], target)).toContain('user.x="1"');
  });

  test('unpacks with umoci to the same files', async () => {
    const source = made(EVERYTHING);
    // umoci drops xattrs without a value, and times after 2106.
    run('setfattr', ['-x', 'user.empty', 'a'], source);
    run('touch', ['-d', '@4000000000', 'tmpfile'], source);
    run('touch', ['-d', '@1111111111', '.'], source);
    const work = scratch();
    writeFileSync(join(work, 'layer.tar'), await pack(source));
    run('umoci', ['init', '--layout', 'oci'], work);
    run('umoci', ['new', '--image', 'oci:t'], work);
    run('umoci', ['raw', 'add-layer', '--image', 'oci:t', 'layer.tar'], work);
    run('umoci', ['unpack', '--image', 'oci:t', 'bundle'], work);
    expect(comparable(join(work, 'bundle/rootfs'))).toEqual(comparable(source));
  });
});

test('GNU tar archives of the same tree give one digest, whatever their order', async () => {
  const source = made(
    'mkdir -p a/b; echo 1 > a/b/f; echo 2 > a/g; ln a/g h; touch -d @3 a/b/f a/g a/b a',
  );
  const digests = new Set<string>();
  for (const order of ['--sort=name', '--sort=inode', '--sort=none']) {
    const target = scratch();
    await unpack(gnuTar(source, '--format=pax', order), target);
    digests.add(
      createHash('sha256')
        .update(await pack(target))
        .digest('hex'),
    );
  }
  expect(digests.size).toBe(1);
});
