/**
 * The face `files` of wiac-sys, as a build with AddressSanitizer and UndefinedBehaviorSanitizer: what
 * it does with trees, and what it refuses.
 */
import { spawn, spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { measureTree } from '../../src/fs/layer/disk-usage.js';
import { ASK, encodeFrame, frameReader, TELL } from '../../src/native/frames.js';
import type { PayloadWriter } from '../../src/native/payload.js';
import { payloadReader } from '../../src/native/payload.js';
import { requestsTo, sanitizedBinary, texts } from '../support/native-requests.js';
import { describeTree } from '../support/tree.js';
import { tempDir, writeTree } from '../support/wiac.js';

const binary = sanitizedBinary();
const { ask, done, failed } = requestsTo(binary);

/** Records of a tree's files, and what it amounts to. */
function walked(root: string, measure = 0, prefix = ''): { records: Buffer; totals: number[] } {
  const frames = ask([ASK.tree, texts(root).number(measure).text(prefix)]);
  const last = frames.pop();
  expect(last?.kind).toBe(TELL.done);
  const reader = payloadReader(last?.payload);
  const records = Buffer.concat(frames.map(({ payload }) => payload));
  const totals = [reader.large(), reader.large(), reader.large(), reader.large()];
  return { records, totals };
}

const [ENOENT, EEXIST, ENOTDIR, EISDIR, EINVAL, EXDEV, ELOOP] = [2, 17, 20, 21, 22, 18, 40];

function setfattr(path: string, name: string, value: string): void {
  expect(spawnSync('setfattr', ['-h', '-n', name, '-v', value, path]).status).toBe(0);
}

/** Records of a path or a number, with the attributes that follow. */
function attributes(records: Buffer, isTree: boolean): Record<string, Record<string, string>> {
  const reader = payloadReader(records);
  const found: Record<string, Record<string, string>> = {};
  while (!reader.isEmpty()) {
    const key = isTree ? reader.text().toString('latin1') : String(reader.number());
    const pairs = payloadReader(reader.bytes());
    const own: Record<string, string> = {};
    while (!pairs.isEmpty()) own[String(pairs.text())] = pairs.bytes().toString('latin1');
    expect(found[key]).toBeUndefined();
    found[key] = own;
  }
  return found;
}

test('attributes of a tree: of each kind of file, in names of any bytes, but no labels', () => {
  const root = tempDir();
  writeTree(root, { a: 'a', 'd/b': 'b', 'd/link': '-> /etc/passwd', 'd/none': '' });
  setfattr(join(root, 'a'), 'user.x', 'one');
  setfattr(join(root, 'a'), 'security.selinux', 'label');
  setfattr(join(root, 'd/none'), 'security.selinux', 'label');
  setfattr(join(root, 'd/link'), 'trusted.l', '');
  setfattr(join(root, 'd'), 'trusted.overlay.opaque', 'y');
  const odd = Buffer.concat([Buffer.from(root), Buffer.from('/\xff\n\\012', 'latin1')]);
  writeFileSync(odd, '');
  spawnSync('/bin/sh', ['-c', 'setfattr -n user.odd -v "a\nb" ./*012'], { cwd: root });
  expect(attributes(walked(root).records, true)).toEqual({
    a: { 'user.x': 'one' },
    d: { 'trusted.overlay.opaque': 'y' },
    'd/link': { 'trusted.l': '' },
    '\xff\n\\012': { 'user.odd': 'a\nb' },
  });
});

test('attributes of many files come in parts, and of each once', () => {
  const root = tempDir();
  const expected: Record<string, Record<string, string>> = {};
  for (let index = 0; index < 300; index++) {
    const name = `f${index}`;
    writeFileSync(join(root, name), '');
    expected[name] = { 'user.big': String(index).repeat(1000) };
  }
  const script =
    'for f in f*; do n=${f#f}; v=; setfattr -n user.big -v "$(yes $n | head -1000 | tr -d "\\n")" $f; done';
  spawnSync('/bin/sh', ['-c', script], { cwd: root });
  const frames = ask([ASK.tree, texts(root).number(0).text('')]);
  expect(frames.pop()?.kind).toBe(TELL.done);
  expect(frames.filter(({ kind }) => kind === TELL.part).length).toBeGreaterThan(3);
  const records = Buffer.concat(frames.map(({ payload }) => payload));
  expect(attributes(records, true)).toEqual(expected);
});

test('what a tree amounts to, and names that mean something', () => {
  const root = tempDir();
  fullTree(root);
  writeTree(root, { 'top/.wh.x': 'x', 'top/d/.wh..y': 'y' });
  setfattr(join(root, 'top/.wh.x'), 'user.x', 'z');
  const { files, bytes, disk } = measureTree(root);
  const { records, totals } = walked(root, 1, '.wh.');
  expect(totals).toEqual([files, bytes, disk, 2]);
  const found = attributes(records, true);
  expect([found['top/.wh.x'], found['top/d/.wh..y']]).toEqual([{ 'user.x': 'z' }, {}]);
  expect(walked(root).totals).toEqual([0, 0, 0, 2]);
});

test('of thousands of files with several names each counts once', () => {
  const root = tempDir();
  const script = 'mkdir a b; cd a; yes | head -n 3000 | split -l 1 -a 4; cp -al . ../b; echo x > 7';
  spawnSync('sh', ['-c', script], { cwd: root });
  const { files, bytes, disk } = measureTree(root);
  expect(walked(root, 1).totals).toEqual([files, bytes, disk, 1]);
});

test('attributes of listed files; what is gone or behind a link has none', () => {
  const root = tempDir();
  writeTree(root, { 'd/a': 'a', 'd/b': 'b', 'd/link': '-> a', out: '-> d', 'd/e/x': 'x' });
  setfattr(join(root, 'd/e/x'), 'user.n', 'x');
  for (const name of ['a', 'b']) setfattr(join(root, 'd', name), 'user.n', name);
  setfattr(join(root, 'd'), 'user.n', 'd');
  setfattr(root, 'user.n', 'root');
  const list = (payload: PayloadWriter, path: string, ...names: string[]) =>
    names.reduce((all, name) => all.text(name), payload.text(path).number(names.length));
  const payload = texts(root);
  list(payload, 'd', 'b', 'gone', 'link', 'a');
  list(payload, 'gone', 'a');
  list(payload, 'out', 'a');
  list(payload, 'out/e', 'x');
  list(payload, 'd/a', 'a');
  list(payload, '', 'd', '.');
  expect(attributes(done(ASK.xattrs, payload), false)).toEqual({
    0: { 'user.n': 'b' },
    3: { 'user.n': 'a' },
    8: { 'user.n': 'd' },
    9: { 'user.n': 'root' },
  });
  const other = list(texts(join(root, 'd')), '..', 'd');
  expect(failed(ASK.xattrs, other)).toEqual([EXDEV, 'open', '..']);
  expect(ask([ASK.xattrs, list(texts(root), '', '../x')])[0]?.kind).toBe(TELL.refused);
  expect(ask([ASK.xattrs, list(texts(root), '', '..')])[0]?.kind).toBe(TELL.refused);
});

/** Directories so deep that no path reaches the last one, which has a file. */
function deepTree(root: string): number {
  const name = 'd'.repeat(200);
  const script = `i=0; while [ $i -lt 100 ]; do mkdir ${name}; cd -P ${name}; i=$((i+1)); done; echo x > f; setfattr -n user.deep -v yes f; chmod 750 .`;
  expect(spawnSync('/bin/sh', ['-c', script], { cwd: root }).status).toBe(0);
  return 100 * 201 + 1;
}

test('trees that are deeper than a path may be long: read, linked and copied', () => {
  const [root, target] = [tempDir(), tempDir()];
  mkdirSync(join(root, 'top'));
  const length = deepTree(join(root, 'top'));
  expect(walked(root).totals[3]).toBe(101);
  const found = attributes(walked(join(root, 'top')).records, true);
  expect(Object.entries(found).map(([path, own]) => [path.length, own])).toEqual([
    [length, { 'user.deep': 'yes' }],
  ]);
  const linked = payloadReader(done(ASK.link, trees(root, target, 0, 'top')));
  expect([linked.number(), linked.number()]).toEqual([102, 0]);
  expect(attributes(walked(join(target, 'top')).records, true)).toEqual(found);
  mkdirSync(join(target, 'copy'));
  done(ASK.copy, texts(root, 'top', target, 'copy'));
  expect(attributes(walked(join(target, 'copy')).records, true)).toEqual(found);
  for (const path of [root, target]) spawnSync('rm', ['-r', path]);
  for (const path of [root, target]) mkdirSync(path);
});

test('devices, attributes and times; the first call that fails ends it', () => {
  const root = tempDir();
  writeTree(root, { 'd/f': 'f', 'd/link': '-> f', out: '-> /', 'd/e/x': 'x', within: '-> d' });
  const calls = texts(root);
  calls.number(0).text('d/node').number(0o020640).number(259).number(7).number(8);
  calls
    .number(0)
    .text('d/fifo')
    .number(0o010000 | 0o4755)
    .number(0)
    .number(0)
    .number(0);
  calls.number(1).text('d/f').text('user.x').bytes(Buffer.from('a\0b'));
  calls.number(1).text('.').text('user.root').bytes(Buffer.alloc(0));
  // A second before 1970, and nanoseconds after it.
  calls.number(2).text('d/link').number(0xffffffff).number(0xffffffff).number(123456789);
  calls.number(2).text('d').number(1_000_000_000).number(1).number(1);
  expect(done(ASK.set, calls)).toHaveLength(0);
  const node = lstatSync(join(root, 'd/node'));
  expect([node.isCharacterDevice(), node.rdev, node.mode & 0o7777, node.uid, node.gid]).toEqual([
    true,
    259,
    0o640,
    7,
    8,
  ]);
  const fifo = lstatSync(join(root, 'd/fifo'));
  expect([fifo.isFIFO(), fifo.mode & 0o7777]).toEqual([true, 0o4755]);
  expect(attributes(walked(root).records, true)).toEqual({
    '': { 'user.root': '' },
    'd/f': { 'user.x': 'a\0b' },
  });
  expect(lstatSync(join(root, 'd/link'), { bigint: true }).mtimeNs).toBe(-876543211n);
  expect(lstatSync(join(root, 'd'), { bigint: true }).mtimeNs).toBe(5_294_967_296_000_000_001n);
  const value = Buffer.from('v');
  const set = (path: string) => texts(root).number(1).text(path).text('user.y').bytes(value);
  expect(failed(ASK.set, set('gone/f'))).toEqual([ENOENT, 'setxattr', 'gone/f']);
  expect(failed(ASK.set, set('out/etc'))).toEqual([ENOTDIR, 'setxattr', 'out/etc']);
  expect(failed(ASK.set, set('within/e/x'))).toEqual([ELOOP, 'setxattr', 'within/e/x']);
  expect(failed(ASK.set, set('d/../../x'))).toEqual([EXDEV, 'setxattr', 'd/../../x']);
  expect(failed(ASK.set, set('..'))).toEqual([EINVAL, 'setxattr', '..']);
  expect(failed(ASK.set, set('/etc/passwd'))[0]).toBe(EXDEV);
  const twice = texts(root);
  twice.number(0).text('d/f').number(0o020000).number(0).number(0).number(0);
  twice.number(1).text('d/f').text('user.late').bytes(value);
  expect(failed(ASK.set, twice)).toEqual([EEXIST, 'mknod', 'd/f']);
  expect(Object.keys(attributes(walked(root).records, true)['d/f'] ?? {})).toEqual(['user.x']);
});

/** A tree with one of everything. */
function fullTree(root: string): void {
  writeTree(root, {
    'top/a': 'a',
    'top/d/b': 'b',
    'top/d/link': '-> ../a',
    'top/d/empty': '',
    'top/gone': '-> /nowhere',
  });
  const script =
    'python3 -c "import socket; socket.socket(socket.AF_UNIX).bind(\'s\')"; mkfifo f; mknod c c 1 3; ln a d/again; chown 3:4 d/b; chmod 4751 d/b; chmod 1750 d; setfattr -n user.x -v y d/b; setfattr -n user.x -v z d; setfattr -h -n trusted.x -v l d/link; truncate -s 10M hole; printf x | dd of=hole bs=1 seek=5000000 conv=notrunc status=none; touch -d @1000000000.5 d/b d/link d; touch -d @77 .';
  const made = spawnSync('/bin/sh', ['-ec', script], { cwd: join(root, 'top') });
  expect(String(made.stderr)).toBe('');
}

/** A request to link trees, or to copy them, at the same paths. */
function trees(from: string, into: string, copied: number, ...paths: string[]): PayloadWriter {
  const payload = texts(from, into).number(copied);
  for (const path of paths) payload.text(path).text(path);
  return payload;
}

const inodeOf = (path: string) => lstatSync(path).ino;

test('trees are linked, their directories are equal', () => {
  const [root, target] = [tempDir(), tempDir()];
  fullTree(root);
  const records = payloadReader(done(ASK.link, trees(root, target, 0, 'top', 'gone', 'top')));
  const told = [];
  while (!records.isEmpty()) told.push([records.number(), records.number()]);
  // Of what was not there, and of what is there by now, nothing.
  expect(told).toEqual([
    [12, 0],
    [1, ENOENT],
    [1, EEXIST],
  ]);
  expect(describeTree(join(target, 'top'))).toEqual(describeTree(join(root, 'top')));
  for (const path of ['top/a', 'top/d/link', 'top/c', 'top/s', 'top/f'])
    expect(inodeOf(join(target, path))).toBe(inodeOf(join(root, path)));
  expect(lstatSync(join(target, 'top')).mtimeMs).toBe(77_000);
  // Of files, which are the same; directories have none.
  expect(Object.keys(attributes(walked(target).records, true))).toEqual(['top/d/b', 'top/d/link']);
});

test('trees are copied to other paths, without extended attributes', () => {
  const [root, target] = [tempDir(), tempDir()];
  fullTree(root);
  mkdirSync(join(target, 'x'));
  const payload = texts(root, target).number(1).text('top').text('x/copy').text('no').text('x/no');
  const records = payloadReader(done(ASK.link, payload));
  const told = [records.number(), records.number(), records.number(), records.number()];
  expect(told).toEqual([12, 0, 1, ENOENT]);
  expect(describeTree(join(target, 'x/copy'))).toEqual(describeTree(join(root, 'top')));
  expect(attributes(walked(target).records, true)).toEqual({});
  expect(inodeOf(join(target, 'x/copy/a'))).not.toBe(inodeOf(join(root, 'top/a')));
  expect(inodeOf(join(target, 'x/copy/a'))).toBe(inodeOf(join(target, 'x/copy/d/again')));
});

test('a tree is copied as cp -a copies it', () => {
  const [root, target, peer] = [tempDir(), tempDir(), tempDir()];
  fullTree(root);
  for (const place of [target, peer])
    writeTree(place, { 'top/a': '-> /etc/passwd', 'top/d/own': 'own' });
  const before = readFileSync('/etc/passwd', 'utf8');
  done(ASK.copy, texts(root, 'top', target, 'top'));
  const flags = ['-a', '-T', '--remove-destination', join(root, 'top'), join(peer, 'top')];
  expect(spawnSync('cp', flags).status).toBe(0);
  expect(describeTree(join(target, 'top'))).toEqual(describeTree(join(peer, 'top')));
  expect(attributes(walked(target).records, true)).toEqual(attributes(walked(peer).records, true));
  expect(inodeOf(join(target, 'top/a'))).toBe(inodeOf(join(target, 'top/d/again')));
  expect(lstatSync(join(target, 'top/hole')).blocks).toBe(lstatSync(join(peer, 'top/hole')).blocks);
  for (const path of ['top', 'top/d', 'top/d/b', 'top/d/link'])
    expect(lstatSync(join(target, path)).mtimeMs).toBe(lstatSync(join(root, path)).mtimeMs);
  expect(readFileSync('/etc/passwd', 'utf8')).toBe(before);
});

test('a file is copied to a name; a link is replaced, a directory is not', () => {
  const [root, target] = [tempDir(), tempDir()];
  writeTree(root, { f: 'new' });
  writeTree(target, { 'd/link': '-> ../own', own: 'own', 'dir/x': 'x', out: '-> /' });
  done(ASK.copy, texts(root, 'f', target, 'd/link'));
  expect(lstatSync(join(target, 'd/link')).isFile()).toBe(true);
  expect(readFileSync(join(target, 'own'), 'utf8')).toBe('own');
  expect(failed(ASK.copy, texts(root, 'f', target, 'dir'))).toEqual([EISDIR, 'copy', 'dir']);
  expect(failed(ASK.copy, texts(root, 'f', target, 'out/f'))[0]).toBe(ENOTDIR);
  expect(failed(ASK.copy, texts(root, 'f', target, '../f'))[0]).toBe(EXDEV);
  // A directory never goes into itself, nor over a file.
  mkdirSync(join(root, 'into'));
  expect(failed(ASK.copy, texts(root, '.', root, 'into'))).toEqual([EINVAL, 'stat', 'into']);
  writeTree(root, { 'deep/own/x': 'x' });
  expect(failed(ASK.copy, texts(root, 'deep', target, '.'))[0]).toBe(ENOTDIR);
});

test('types of entries, the mark of a top directory, sync', () => {
  const root = tempDir();
  writeTree(root, { f: 'f' });
  expect([...done(ASK.types, texts(root))]).toEqual([8]);
  const spread = ask([ASK.spread, texts(root)]);
  expect([TELL.done, TELL.failed]).toContain(spread[0]?.kind);
  const { stdout } = spawnSync('lsattr', ['-d', root]);
  if (spread[0]?.kind === TELL.done) expect(String(stdout).split(' ')[0]).toContain('T');
  done(ASK.sync, texts(root));
  expect(failed(ASK.sync, texts(join(root, 'gone')))).toEqual([ENOENT, 'open', join(root, 'gone')]);
  expect(failed(ASK.sync, texts('relative'))[0]).toBe(EINVAL);
});

test('a long request does not keep a short one waiting', async () => {
  const root = tempDir();
  spawnSync('mkfifo', [join(root, 'f')]);
  const child = spawn(binary, ['files'], { stdio: ['ignore', 'inherit', 'inherit', 'pipe'] });
  const socket = child.stdio[3] as Socket;
  const ids: number[] = [];
  let wake = () => {};
  socket.on(
    'data',
    frameReader(({ id }) => ids.push(id) && wake()),
  );
  const large = tempDir();
  const script =
    'for i in 1 2 3 4 5 6 7 8 9 10; do mkdir $i; (cd $i; seq 1 900 | xargs touch); done';
  spawnSync('/bin/sh', ['-c', script], { cwd: large });
  mkdirSync(join(large, 'copy'));
  socket.write(
    Buffer.concat([
      encodeFrame({
        id: 1,
        kind: ASK.link,
        payload: trees(large, join(large, 'copy'), 0, ...'123456789').end(),
      }),
      encodeFrame({ id: 2, kind: ASK.types, payload: texts(root).end() }),
    ]),
  );
  while (ids.length < 2)
    await new Promise<void>((resume) => {
      wake = resume;
    });
  expect(ids).toEqual([2, 1]);
  // wiac's end is its end.
  socket.end();
  await new Promise((resume) => child.on('close', resume));
  expect(child.exitCode).toBe(0);
});

test('any payload for any request: each is answered, and nothing is read behind its end', () => {
  const root = tempDir();
  writeTree(root, { 'a/b': 'b', c: '-> a' });
  const { xattrs, stats, list, digests, fill, tree, set, link, copy, spread, types } = ASK;
  const kinds = [xattrs, stats, list, digests, fill, tree, set, link, copy, spread, types];
  const number = fc.constantFrom(0, 1, 2, 3, 0xff, 0xffff_ffff).map((value) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  });
  const text = fc
    .constantFrom('', '.', '..', 'a', 'a/b', 'c/b', '/', '//', 'a//b', 'a/', '../../x', 'user.x')
    .map((value) => Buffer.from(`${value}\0`));
  const piece = fc.oneof(number, text, fc.uint8Array({ maxLength: 12 }).map(Buffer.from));
  const pieces = fc.array(piece, { maxLength: 8 });
  const request = fc.tuple(fc.constantFrom(...kinds), fc.boolean(), pieces);
  fc.assert(
    fc.property(fc.array(request, { minLength: 1, maxLength: 60 }), (requests) => {
      const frames = ask(
        ...requests.map(([kind, rooted, all]) => {
          const begin = rooted ? [Buffer.from(`${root}\0`)] : [];
          return [kind, Buffer.concat([...begin, ...all])] as const;
        }),
      );
      const last = frames.filter(({ kind }) => kind !== TELL.part).map(({ id }) => id);
      expect(last.sort((a, b) => a - b)).toEqual(requests.map((_, id) => id));
    }),
    { numRuns: 25 },
  );
});

test('lengths and counts that lead behind the end', () => {
  const root = tempDir();
  writeTree(root, { f: 'f' });
  const set = () => texts(root).number(1).text('f').text('user.x');
  const list = () => texts(root, '');
  for (const [kind, payload] of [
    [ASK.set, set().number(1)],
    [ASK.set, set().number(0xffff)],
    [ASK.set, set().number(0xffff_ffff)],
    [ASK.set, texts(root).number(2).text('f').number(0)],
    [ASK.set, texts(root).number(3).text('f')],
    [ASK.stats, list().number(2).text('f')],
    [ASK.xattrs, list().number(0xffff_ffff).text('f')],
    [ASK.digests, list().number(2).text('f')],
    [ASK.fill, texts(root, root).number(1).text('').text('').number(1).number(56)],
    [ASK.fill, texts(root, root).number(1).text('').text('').number(0xffff_ffff).number(0)],
  ] as const)
    expect(ask([kind, payload]).at(-1)?.kind).toBe(TELL.refused);
});

test('a length that no message has ends it, before more has come', async () => {
  const header = Buffer.alloc(9);
  header.writeUInt32LE(0xffff_ffff);
  const child = spawn(binary, ['files'], { stdio: ['ignore', 'inherit', 'inherit', 'pipe'] });
  (child.stdio[3] as Socket).write(header);
  await new Promise((resume) => child.on('exit', resume));
  expect(child.exitCode).toBe(0);
});

test('the end within a message ends it', () => {
  const frame = encodeFrame({ id: 1, kind: ASK.tree, payload: Buffer.from('/x') });
  for (const input of [Buffer.alloc(3), frame.subarray(0, 10)]) {
    const { status, stdout, stderr } = spawnSync(binary, ['once'], { input });
    expect([status, String(stdout), String(stderr)]).toEqual([0, '', '']);
  }
});
