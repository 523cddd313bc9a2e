/** Directories to unpack into, archives made by others, and trees as find(1) and getfattr(1) see them. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll } from '@jest/globals';
import tarStream from 'tar-stream';
import type { UnpackedLayer, UnpackOptions } from '../../../src/fs/archive/unpack-layer.js';
import { unpackLayer } from '../../../src/fs/archive/unpack-layer.js';

const roots: string[] = [];

afterAll(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

/** An empty directory, removed after the file's tests. */
export function scratch(): string {
  const root = mkdtempSync(join(tmpdir(), 'wiac-tar-'));
  roots.push(root);
  const directory = join(root, 'layer');
  mkdirSync(directory);
  return directory;
}

export function run(program: string, args: readonly string[], cwd?: string): string {
  return execFileSync(program, args, { cwd, maxBuffer: 1 << 28, stdio: 'pipe' }).toString();
}

/** Runs a shell script in a new directory and returns that. */
export function made(script: string): string {
  const directory = scratch();
  run('bash', ['-euc', script], directory);
  return directory;
}

/** The directory's archive as GNU tar writes it. */
export function gnuTar(directory: string, ...flags: string[]): Buffer {
  const args = ['-C', directory, '--numeric-owner', ...flags, '-cf', '-', '.'];
  return execFileSync('tar', args, { maxBuffer: 1 << 28 });
}

export function sha256(data: Buffer): string {
  return `sha256:${createHash('sha256').update(data).digest('hex')}`;
}

/** The archive's bytes in pieces of the given size. */
export function inPieces(data: Buffer, size = 65536): Readable {
  function* pieces() {
    for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
  }
  return Readable.from(pieces(), { objectMode: false });
}

export function unpack(
  data: Buffer,
  directory: string,
  options: Partial<UnpackOptions> = {},
): Promise<UnpackedLayer> {
  return unpackLayer(inPieces(data), directory, { rootless: false, ...options });
}

export type Member = Partial<tarStream.Header> & { name: string; data?: string | Buffer };

/** An archive with exactly these members, in this order, whatever they say. */
export async function getArchive(members: readonly Member[]): Promise<Buffer> {
  const pack = tarStream.pack();
  for (const { data = '', ...header } of members) {
    pack.entry({ mtime: new Date(0), mode: 0o644, ...header }, data);
  }
  pack.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of pack) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function getContent(path: string): string {
  const stats = lstatSync(path);
  return stats.isFile() ? `${stats.size} ${sha256(readFileSync(path))}` : '';
}

/**
 * One line for each file: path, type, mode, owner, target, device, mtime in nanoseconds, content,
 * the first of its hard links, and xattrs.
 */
export function describeTree(root: string, options: { rootTime?: boolean } = {}): string[] {
  const format = '%P\\t%y\\t%m\\t%U:%G\\t%l\\t%T@\\t%i\\t%n\\0';
  const listed = run('find', ['.', '-printf', format], root).split('\0').slice(0, -1).sort();
  const dump = run('getfattr', ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '.'], root);
  const xattrs = new Map(
    dump
      .split('\n\n')
      .map((block) => block.split('\n'))
      .map(([file = '', ...values]) => [file.replace('# file: ', '').replace(/^\.\//, ''), values]),
  );
  const getFirst = new Map<string, string>();
  return listed.map((line) => {
    const [path = '', type = '', mode, owner, target, mtime, inode = '', links] = line.split('\t');
    const full = path === '' ? root : join(root, path);
    const first = type === 'd' || links === '1' ? '' : (getFirst.get(inode) ?? path);
    getFirst.set(inode, first);
    const device = type === 'c' || type === 'b' ? String(lstatSync(full).rdev) : '';
    const time = path === '' && options.rootTime === false ? '' : mtime;
    const shared = type === 'c' && device === '0' ? '' : first;
    const attributes = (xattrs.get(path === '' ? '.' : path) ?? []).sort().join(' ');
    return [path, type, mode, owner, target, device, time, getContent(full), shared, attributes]
      .join(' | ')
      .trim();
  });
}

/** The names in a directory, for tests that only care for those. */
export function names(directory: string): string[] {
  return readdirSync(directory).sort();
}

/** A tree with something of everything; times with nanoseconds. */
export const EVERYTHING = `
mkdir -p a/b 'with space' empty
echo hello > a/b/file
printf 'x\\ny' > 'with space/new
line'
echo ü > ünïcode
ln -s a/b/file link
ln -s /etc/passwd absolute
ln -s "$(printf 't%.0s' {1..180})" longtarget
ln a/b/file hard1
ln a/b/file a/hard2
mkfifo -m 640 pipe
mknod -m 600 null c 1 3
mknod -m 660 disk b 259 300
long=$(printf 'n%.0s' {1..200})
mkdir -p "$long/$long"
echo deep > "$long/$long/$long"
mid=$(printf 'm%.0s' {1..80})
mkdir -p "$mid/$mid"
echo prefix > "$mid/$mid/file"
echo root > setuid; chown 0:42 setuid; chmod 6755 setuid
echo other > owned; chown 4000000:3000000 owned; chmod 4711 owned
mkdir shared; chown 0:1234 shared; chmod 2775 shared
echo inside > shared/file
echo sticky > tmpfile; mkdir -m 1777 sticky
echo cap > capable; chown 7:8 capable; setcap cap_net_raw,cap_setgid,cap_setuid+ep capable
setfattr -n user.binary -v 0x00ff0a3d80 a/b/file
setfattr -n user.empty -v '' a
setfattr -n trusted.note -v 0x616200 a/b
setfattr -h -n trusted.link -v yes link
mkdir readonly; echo r > readonly/file; chmod 555 readonly
touch zero
touch -h -d @1234567890.123456789 a/b/file link zero ünïcode pipe
touch -d @-5.25 with\\ space
touch -d @1111111111.999999999 a a/b readonly shared null
touch -d @1700000000 empty setuid
touch -d @10000000000 tmpfile
`;
