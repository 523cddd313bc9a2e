/** The user namespace that this process is in (user_namespaces(7)). */
import { readFileSync } from 'node:fs';

let known: boolean | undefined;
let setsGroups: boolean | undefined;
/** What gives a user namespace more users. */
export const RANGES_HINT =
  'give your user ranges in /etc/subuid and /etc/subgid (usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER), or run wiac as root';

/** A row of /proc/self/uid_map or gid_map. */
interface Range {
  /** First number in the namespace. */
  readonly first: number;
  /** Outside of it. */
  readonly outside: number;
  readonly count: number;
}

// Read once, as below.
const ranges = new Map<string, Range[]>();

function readRanges(file: 'uid_map' | 'gid_map'): Range[] {
  const read = ranges.get(file) ?? parseRanges(file);
  ranges.set(file, read);
  return read;
}

function parseRanges(file: 'uid_map' | 'gid_map'): Range[] {
  const rows = readFileSync(`/proc/self/${file}`, 'latin1').trim().split('\n');
  return rows.map((row) => {
    const [first = 0, outside = 0, count = 0] = row.trim().split(/\s+/).map(Number);
    return { first, outside, count };
  });
}

/** True in a user namespace, where overlayfs keeps its marks in user.overlay.* attributes. */
export function inUserNamespace(): boolean {
  // Read once: a process with threads, as Node is, can't enter another one.
  known ??= !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'latin1'));
  return known;
}

/**
 * Where overlayfs has the marks of what this process, or those that it starts, may mount. A user other than root mounts in
 * a namespace alone, and asks many a question outside of it.
 */
export function overlayMarks(): 'trusted' | 'user' {
  return inUserNamespace() || process.geteuid?.() !== 0 ? 'user' : 'trusted';
}

/** Who root is outside of the user namespace that this process is in; undefined when it is in none. */
export function outsideIds(): { readonly uid: number; readonly gid: number } | undefined {
  if (!inUserNamespace()) return undefined;
  const [uid, gid] = (['uid_map', 'gid_map'] as const).map(
    (file) => readRanges(file).find(({ first }) => first === 0)?.outside,
  );
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

/** Can files belong to this user and this group? Others do not exist in the namespace. */
export function isMapped({ uid, gid }: { readonly uid: number; readonly gid: number }): boolean {
  const has = (ranges: readonly Range[], id: number) =>
    ranges.some(({ first, count }) => id >= first && id < first + count);
  return has(readRanges('uid_map'), uid) && has(readRanges('gid_map'), gid);
}

/** May a process change its supplementary groups? Not where its user has no range of groups. */
export function maySetGroups(): boolean {
  setsGroups ??= readFileSync('/proc/self/setgroups', 'latin1').trim() !== 'deny';
  return setsGroups;
}
