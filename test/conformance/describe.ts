/**
 * The files of a tree as lines that can be compared. Hard links are left out: a mounted overlay
 * shows each path of one as a file of its own.
 */
import { createHash } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  type Stats,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';

/** Content longer than this is told by its digest. */
const SHOWN_BYTES = 200;

function describeContent(path: string): string {
  const bytes = readFileSync(path);
  // The programs of the base image are in each case's tree: as a text, one takes longer than all that is compared.
  const text = bytes.length <= SHOWN_BYTES ? bytes.toString('utf8') : undefined;
  if (text !== undefined && Buffer.from(text).equals(bytes)) return JSON.stringify(text);
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function describeFile(path: string, stats: Stats): string {
  const owner = `${stats.uid}:${stats.gid}`;
  if (stats.isSymbolicLink()) return `link ${owner} -> ${readlinkSync(path)}`;
  const mode = (stats.mode & 0o7777).toString(8);
  if (stats.isDirectory()) return `dir ${mode} ${owner}`;
  if (!stats.isFile())
    return `special ${(stats.mode & 0o170000).toString(8)} ${mode} ${owner} ${stats.rdev}`;
  return `file ${mode} ${owner} ${describeContent(path)}`;
}

/** Extended attributes by path, but those that overlayfs keeps for itself. */
async function readAttributes(root: string): Promise<Map<string, string>> {
  const { stdout } = await execa(
    'getfattr',
    ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '.'],
    {
      cwd: root,
    },
  );
  const attributes = new Map<string, string>();
  for (const block of stdout.split('\n\n')) {
    const [head = '', ...lines] = block.split('\n');
    const kept = lines.filter((line) => line !== '' && !/^(trusted|user)\.overlay\./.test(line));
    if (kept.length > 0) attributes.set(head.replace('# file: ', ''), kept.sort().join(' '));
  }
  return attributes;
}

/** Path (without a slash in front) -> type, mode, owner, content or target, xattrs. */
export async function describeFiles(root: string): Promise<Map<string, string>> {
  const attributes = await readAttributes(root);
  const found = new Map<string, string>();
  const visit = (directory: string): void => {
    for (const name of readdirSync(join(root, directory)).sort()) {
      const path = join(directory, name);
      const stats = lstatSync(join(root, path));
      const extended = attributes.get(path);
      const description = describeFile(join(root, path), stats);
      found.set(path, extended === undefined ? description : `${description} ${extended}`);
      if (stats.isDirectory()) visit(path);
    }
  };
  visit('');
  return found;
}

/**
 * Mounts a lowerdir string read-only with mount(8), and unmounts it whatever happens.
 * @param more options of overlayfs
 */
export async function withMounted<T>(
  lowerdirs: string,
  action: (root: string) => Promise<T>,
  more: readonly string[] = [],
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'wiac-mounted-'));
  const empty = join(directory, 'empty');
  const merged = join(directory, 'merged');
  mkdirSync(empty);
  mkdirSync(merged);
  const lower = [lowerdirs, empty].filter((part) => part !== '').join(':');
  // overlayfs wants two lower directories or more where there is no upper one.
  const options = `${['ro', ...more].join(',')},lowerdir=${lower === empty ? `${empty}:${merged}` : lower}`;
  await execa('mount', ['-t', 'overlay', 'overlay', '-o', options, merged]);
  try {
    return await action(merged);
  } finally {
    await execa('umount', [merged]);
    rmSync(directory, { recursive: true });
  }
}
