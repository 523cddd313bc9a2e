/** What wiac-sys reads of files: their digests, by each way that a processor has, and their copies. */
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { DIGEST_BYTES } from '../../src/native/digest-listed.js';
import { ASK, TELL } from '../../src/native/frames.js';
import { payloadReader } from '../../src/native/payload.js';
import { readPairs } from '../../src/native/read-xattrs.js';
import { requestsTo, sanitizedBinary, texts } from '../support/native-requests.js';
import { tempDir, writeTree } from '../support/wiac.js';

const { ask, done, failed } = requestsTo(sanitizedBinary());

const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex');

/** Around the ends of blocks, and large ones. */
const SIZES = [...Array.from({ length: 200 }, (_, size) => size), 4096, 65_537, 1_000_000];

const SANITIZERS = ['-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
const ARM = process.arch === 'arm64' ? ['cc'] : ['aarch64-linux-gnu-gcc', 'qemu-aarch64'];

test.each([
  ['the instructions of this processor', ['cc'], SANITIZERS],
  ['none', ['cc'], [...SANITIZERS, '-DWITHOUT_INSTRUCTIONS']],
  ['those of arm64', ARM, ['-static']],
])('digests by %s are those of node:crypto', (_, [compiler = '', ...run], flags) => {
  const program = join(tempDir(), 'sha256');
  const sources = [
    'test/native/sha256-of-prefixes.c',
    ...readdirSync('native')
      .filter((name) => name.startsWith('sha256') && name.endsWith('.c'))
      .map((name) => `native/${name}`),
  ];
  expect(spawnSync(compiler, ['-O2', ...flags, '-o', program, ...sources]).status).toBe(0);
  const input = randomBytes(1_000_000);
  const [command = '', ...args] = [...run, program, ...SIZES.map(String)];
  const { stdout } = spawnSync(command, args, { input });
  const expected = SIZES.map((size) => sha256(input.subarray(0, size)));
  expect(String(stdout).trim().split('\n')).toEqual(expected.flatMap((digest) => [digest, digest]));
});

test('digests and extended attributes of listed files', () => {
  const root = tempDir();
  const sizes = [0, 1, 65_535, 65_536, 65_537, 300_000];
  const expected = sizes.map((size, index) => {
    const bytes = randomBytes(size);
    writeFileSync(join(root, `f${index}`), bytes);
    return [index, size, sha256(bytes), size === 65_536 ? [['user.x', 'one']] : []];
  });
  spawnSync('setfattr', ['-n', 'user.x', '-v', 'one', join(root, 'f3')]);
  const payload = texts(root, '').number(sizes.length);
  for (const index of sizes.keys()) payload.text(`f${index}`);
  const reader = payloadReader(done(ASK.digests, payload));
  const found = [];
  while (!reader.isEmpty()) {
    const file = [reader.number(), reader.large(), reader.hex(DIGEST_BYTES)];
    const pairs = readPairs(reader.bytes());
    found.push([...file, pairs.map(([name, value]) => [String(name), String(value)])]);
  }
  expect(found).toEqual(expected);
});

test('nothing is told of what is no regular file, and no link or fifo is opened', () => {
  const root = tempDir();
  writeTree(root, { a: 'a', link: '-> a', 'd/x': 'x', out: '-> d' });
  done(ASK.set, texts(root).number(0).text('fifo').number(0o010600).number(0).number(0).number(0));
  const payload = texts(root, '').number(6);
  for (const name of ['gone', 'link', 'd', 'fifo', '.', 'a']) payload.text(name);
  payload.text('out').number(1).text('x').text('gone').number(1).text('x');
  const reader = payloadReader(done(ASK.digests, payload));
  expect([reader.number(), reader.large(), reader.hex(DIGEST_BYTES)]).toEqual([5, 1, sha256('a')]);
  expect(reader.bytes().length).toBe(0);
  expect(reader.isEmpty()).toBe(true);
  expect(ask([ASK.digests, texts(root, '').number(1).text('../a')])[0]?.kind).toBe(TELL.refused);
});

/** Size, mode, owner, group, whether it may be linked, digest. */
function wanted(content: Buffer | string, mode: number, uid = -1, gid = -1, link = 0): Buffer {
  const record = Buffer.alloc(56);
  record.writeBigUInt64LE(BigInt(content.length));
  record.writeUInt32LE(mode, 8);
  record.writeInt32LE(uid, 12);
  record.writeInt32LE(gid, 16);
  record.writeUInt32LE(link, 20);
  record.write(sha256(content), 24, 'hex');
  return record;
}

interface Named {
  readonly from: string;
  readonly into: string;
  readonly wanted: Buffer;
}

function fill(roots: [string, string], directories: [string, string, Named[]][], changes = 1) {
  const payload = texts(...roots).number(changes);
  for (const [from, into, files] of directories) {
    payload.text(from).text(into).number(files.length);
    payload.bytes(Buffer.concat(files.map((file) => file.wanted)));
    for (const file of files) payload.text(file.from).text(file.into);
  }
  return payload;
}

/** Number, outcome, size and digest of those that are not as they were wanted; what was made. */
function others(payload: ReturnType<typeof fill>): [told: unknown[], made: number[]] {
  const records = done(ASK.fill, payload);
  const reader = payloadReader(records.subarray(0, -24));
  const told = [];
  while (!reader.isEmpty())
    told.push([reader.number(), reader.number(), reader.large(), reader.hex(DIGEST_BYTES)]);
  const totals = payloadReader(records.subarray(-24));
  return [told, [totals.large(), totals.large(), totals.large()]];
}

const one = (name: string, content: Buffer | string, mode = 0o644): Named => ({
  from: name,
  into: name,
  wanted: wanted(content, mode),
});

test('copies have the mode, owner and time that they are to have; what they hold is what is told', () => {
  const [root, target] = [tempDir(), tempDir()];
  writeTree(root, { 'd/a': 'a', 'd/b': 'other', 'd/link': '-> a', 'd/e': '' });
  chmodSync(join(root, 'd/a'), 0o600);
  utimesSync(join(root, 'd/a'), 1_000_000_000.5, 1_000_000_000.5);
  mkdirSync(join(target, 'x/y'), { recursive: true });
  const files: Named[] = [
    { from: 'a', into: 'renamed', wanted: wanted('a', 0o4751, 3, 4) },
    one('b', 'b'),
    one('gone', 'g'),
    one('link', 'a'),
    one('e', ''),
  ];
  const gone = sha256('').replace(/./g, '0');
  const [told, made] = others(
    fill(
      [root, target],
      [
        ['d', 'x/y', files],
        ['no', 'x', [one('a', 'a')]],
      ],
    ),
  );
  expect(told).toEqual([
    [1, 1, 5, sha256('other')],
    [2, 0, 0, gone],
    [3, 0, 0, gone],
    [5, 0, 0, gone],
  ]);
  expect(readdirSync(join(target, 'x/y')).sort()).toEqual(['b', 'e', 'renamed']);
  expect(readdirSync(join(target, 'x'))).toEqual(['y']);
  const stats = lstatSync(join(target, 'x/y/renamed'));
  expect([stats.mode & 0o7777, stats.uid, stats.gid, stats.mtimeMs]).toEqual([
    0o4751, 3, 4, 1_000_000_000_500,
  ]);
  expect(readFileSync(join(target, 'x/y/b'), 'utf8')).toBe('other');
  const blocks = ['b', 'e', 'renamed'].map((name) => lstatSync(join(target, 'x/y', name)).blocks);
  expect(made).toEqual([512 * blocks.reduce((a, b) => a + b), 0, 0]);
});

test.each([
  ['change', 1],
  ['never change', 0],
])('holes stay holes where sources %s', (_, changes) => {
  const [root, target] = [tempDir(), tempDir()];
  writeFileSync(join(root, 'hole'), 'begin');
  truncateSync(join(root, 'hole'), 10_000_000);
  const bytes = readFileSync(join(root, 'hole'));
  expect(others(fill([root, target], [['', '', [one('hole', bytes)]]], changes))[0]).toEqual([]);
  expect(readFileSync(join(target, 'hole')).equals(bytes)).toBe(true);
  expect(lstatSync(join(target, 'hole')).blocks).toBe(lstatSync(join(root, 'hole')).blocks);
});

test('what may be linked is linked where it can be, else copied', () => {
  const [root, target] = [tempDir(), tempDir()];
  writeTree(root, { a: 'a', b: 'b', link: '-> a' });
  writeTree(target, { b: 'there' });
  const linked = (name: string, content: string): Named => ({
    from: name,
    into: name,
    wanted: wanted(content, 0o600, 3, 4, 1),
  });
  const files = [linked('a', 'a'), linked('b', 'b'), linked('link', 'a'), linked('gone', 'g')];
  const [told, made] = others(fill([root, target], [['', '', files]], 0));
  expect(told.map((one) => (one as unknown[]).slice(0, 2))).toEqual([
    [2, 0],
    [3, 0],
  ]);
  const [a, b] = ['a', 'b'].map((name) => lstatSync(join(target, name)));
  expect(made).toEqual([(b?.blocks ?? 0) * 512, 1, (a?.blocks ?? 0) * 512]);
  expect([a?.ino, a?.nlink, b?.nlink]).toEqual([lstatSync(join(root, 'a')).ino, 2, 1]);
  expect([b?.mode, b?.uid, b?.gid]).toEqual([0o100600, 3, 4]);
});

test('what is in the place of a copy is replaced, never written through', () => {
  const [root, target] = [tempDir(), tempDir()];
  writeTree(root, { link: 'new', second: 'new' });
  writeTree(target, { link: '-> own', own: 'own', 'dir/x': 'x' });
  linkSync(join(target, 'own'), join(target, 'second'));
  others(fill([root, target], [['', '', [one('link', 'new'), one('second', 'new')]]]));
  expect(readFileSync(join(target, 'own'), 'utf8')).toBe('own');
  for (const name of ['link', 'second'])
    expect(lstatSync(join(target, name)).isFile() && readFileSync(join(target, name), 'utf8')).toBe(
      'new',
    );
  const over: Named = { ...one('link', 'new'), into: 'dir' };
  const [EISDIR, EXDEV, ENOTDIR, ENOENT] = [21, 18, 20, 2];
  expect(failed(ASK.fill, fill([root, target], [['', '', [over]]]))).toEqual([
    EISDIR,
    'open',
    'dir',
  ]);
  writeTree(target, { out: '-> /' });
  const into = (path: string) => fill([root, target], [['', path, [one('link', 'new')]]]);
  expect(failed(ASK.fill, into('..'))[0]).toBe(EXDEV);
  expect(failed(ASK.fill, into('out'))[0]).toBe(ENOTDIR);
  expect(failed(ASK.fill, into('gone'))[0]).toBe(ENOENT);
  expect(readlinkSync(join(target, 'out'))).toBe('/');
  for (const name of ['', '.', '..', 'a/b'])
    for (const file of [
      { ...one('link', 'new'), from: name },
      { ...one('link', 'new'), into: name },
    ])
      expect(ask([ASK.fill, fill([root, target], [['', '', [file]]])])[0]?.kind).toBe(TELL.refused);
  const short = { ...one('link', 'new'), wanted: Buffer.alloc(55) };
  expect(ask([ASK.fill, fill([root, target], [['', '', [short]]])])[0]?.kind).toBe(TELL.refused);
});
