/**
 * A file that has what files of layers have, and that many ways to copy a directory leave behind: extended attributes,
 * owner, setuid bit, a second name, a whiteout. Where they are gone, those of all layers are.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { readXattrsBelow } from '../../native/read-xattrs.js';
import type { FileCall } from '../../native/set-attributes.js';
import { setFiles } from '../../native/set-attributes.js';
import { StoreError } from '../../util/errors.js';
import type { Users } from '../../util/user-namespace.js';
import {
  includeAll,
  inUserNamespace,
  isMapped,
  isOutside,
  overlayMarks,
  presentUsers,
} from '../../util/user-namespace.js';
import type { StorePaths } from '../paths.js';

/** Who has the file: not root, which a copy would have by chance. */
const OWNER = { uid: 1, gid: 1 } as const;
const MODE = 0o4700;
const CHARACTER_DEVICE = 0o020_000;

/** What is looked for, in the words of the message. Members that the file system can't have are not there. */
type Seen = Readonly<Record<string, string>>;

/** sample/seen.json */
interface Note {
  /** The file as it was looked at last: a copy has another inode, or was made at another time; a user namespace may show other owners. */
  readonly file: string;
  readonly seen: Seen;
  /** Who files of layers may belong to. Notes of former versions do not say it. */
  readonly users?: Users | undefined;
}

const u32 = (...numbers: readonly number[]) => Buffer.from(new Uint32Array(numbers).buffer);

/** Attributes of three kinds: programs that copy files ask for each kind. capabilities(7), acl(5). */
function attributes(): Readonly<Record<string, readonly [name: string, value: Buffer]>> {
  const marks = `${overlayMarks()}.overlay.opaque`;
  const entry = (tag: number, permissions: number, id: number) =>
    u32(tag + permissions * 2 ** 16, id);
  const nobody = 0xff_ff_ff_ff;
  const list = [entry(1, 7, nobody), entry(2, 4, 0), entry(4, 0, nobody), entry(16, 4, nobody)];
  return {
    'marks of overlayfs': [marks, Buffer.from('y')],
    capabilities: ['security.capability', u32(0x02_00_00_00, 1, 0, 0, 0)],
    'access control lists': [
      'system.posix_acl_access',
      Buffer.concat([u32(2), ...list, entry(32, 0, nobody)]),
    ],
  };
}

/** Some file systems have no such attributes, and no layer there has them. */
async function trySet(directory: string, call: FileCall): Promise<void> {
  await setFiles(directory, [call]).catch(() => {});
}

async function fill(directory: string): Promise<void> {
  const file = join(directory, 'file');
  writeFileSync(file, '');
  linkSync(file, join(directory, 'link'));
  if (isMapped(OWNER)) chownSync(file, OWNER.uid, OWNER.gid);
  // Behind chown(2), which takes the bit away.
  chmodSync(file, MODE);
  const calls: FileCall[] = Object.values(attributes()).map(([name, value]) => ({
    ...{ call: 'setxattr', path: Buffer.from('file') },
    ...{ name: Buffer.from(name), value },
  }));
  calls.push({
    ...{ call: 'mknod', path: Buffer.from('removed'), mode: CHARACTER_DEVICE },
    ...{ device: 0, uid: 0, gid: 0 },
  });
  await Promise.all(calls.map((call) => trySet(directory, call)));
}

async function look(directory: string): Promise<Seen> {
  const seen: Record<string, string> = {};
  const get = (name: string) => lstatSync(join(directory, name), { throwIfNoEntry: false });
  const [file, link, removed] = [get('file'), get('link'), get('removed')];
  if (file) {
    seen.owners = `${file.uid}:${file.gid}`;
    seen.modes = file.mode.toString(8);
    if (link?.ino === file.ino) seen['hard links'] = 'link';
  }
  if (removed?.isCharacterDevice()) seen.devices = String(removed.rdev);
  const found = new Map<string, string>();
  await readXattrsBelow(directory, (path, xattrs) => {
    if (path.toString() !== 'file') return;
    for (const [name, value] of xattrs) found.set(String(name), value.toString('hex'));
  });
  for (const [what, [name]] of Object.entries(attributes())) {
    const value = found.get(name);
    if (value !== undefined) seen[what] = value;
  }
  return seen;
}

function identify(directory: string): string | undefined {
  const options = { bigint: true, throwIfNoEntry: false } as const;
  const file = lstatSync(join(directory, 'file'), options);
  return file && `${file.ino} ${file.ctimeNs} ${file.uid}:${file.gid}`;
}

function readNote(directory: string): Note | undefined {
  try {
    const note = JSON.parse(
      readFileSync(join(directory, 'seen.json'), 'utf8'),
    ) as Partial<Note> | null;
    return note?.file && note.seen
      ? { file: note.file, seen: note.seen, users: note.users }
      : undefined;
  } catch (error) {
    // A power cut may have left it empty.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT')
      return undefined;
    throw error;
  }
}

/** @param directory where the note is made */
function writeNote(directory: string, path: string, note: Note): void {
  const draft = join(directory, 'seen.new');
  const descriptor = openSync(draft, 'w');
  try {
    writeFileSync(descriptor, JSON.stringify(note));
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(draft, path);
}

/** A full disk is no reason not to open a store: prune makes room. The next process tries again. */
function unlessFull(error: unknown): void {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
}

async function makeSample({ sample, tmp, self }: StorePaths): Promise<void> {
  const draft = join(tmp, `sample.${self.id}`);
  try {
    mkdirSync(draft, { mode: 0o700 });
    await fill(draft);
    const file = identify(draft) ?? '';
    writeNote(draft, join(draft, 'seen.json'), {
      file,
      seen: await look(draft),
      users: presentUsers(),
    });
    rmSync(sample, { recursive: true, force: true });
    renameSync(draft, sample);
  } catch (error) {
    unlessFull(error);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Are others here than when it was made? They may have files of layers from now on. */
function isOutdated({ users }: Note): boolean {
  const { uids, gids } = presentUsers();
  return users?.uids !== uids || users.gids !== gids;
}

function hintFor(root: string, lost: readonly string[]): string {
  // As far as can be seen, only the numbers are others.
  if (inUserNamespace() && lost.every((what) => what === 'owners'))
    return `are the ranges of your user in /etc/subuid and /etc/subgid as they were when the store was made? Give them back, or set WIAC_ROOT to another directory`;
  return `remove it (rm -r ${root}), and copy it again with all of that, as root: cp -a, rsync -aHAX --numeric-ids, or tar with --numeric-owner --acls --xattrs --xattrs-include=*; in CI, --cache-to and --cache-from bring the cache to other machines`;
}

/**
 * Who files of layers may belong to; outside of the namespace, where no layer is read or made, what was noted in it,
 * undefined when nothing was.
 */
export function readUsers({ sample }: StorePaths): Users | undefined {
  return isOutside() ? readNote(sample)?.users : presentUsers();
}

/**
 * Under the lock of the index, with the folders of the store.
 * @throws StoreError for a copy that is not what was copied; the file system's errors, IsolationError
 */
export async function requireFaithfulCopy(paths: StorePaths): Promise<void> {
  const { root, sample } = paths;
  if (isOutside()) return;
  const note = readNote(sample);
  if (!note) return makeSample(paths);
  const file = identify(sample);
  const outdated = isOutdated(note);
  // Files of those who are gone would be nobody's.
  const gone = note.users !== undefined && !includeAll(presentUsers(), note.users);
  if (file === note.file && !gone) return outdated ? makeSample(paths) : undefined;
  const now = await look(sample);
  const lost = Object.keys(note.seen).filter(
    (what) => (gone && what === 'owners') || now[what] !== note.seen[what],
  );
  if (lost.length > 0 || file === undefined) {
    throw new StoreError(
      `the store ${root} was copied or changed without keeping what its layers need: ${lost.join(', ')}`,
      { hint: hintFor(root, lost) },
    );
  }
  if (outdated) return makeSample(paths);
  try {
    writeNote(sample, join(sample, 'seen.json'), { ...note, file });
  } catch (error) {
    unlessFull(error);
  }
}
