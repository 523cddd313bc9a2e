/** The user namespace that this process is in (user_namespaces(7)). */
import { readFileSync } from 'node:fs';

let known: boolean | undefined;
let setsGroups: boolean | undefined;
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

/**
 * Is this the process of a user other than root, in no user namespace of its own? The owners of files in layers have
 * other numbers there than in images.
 */
export function isOutside(): boolean {
  return !inUserNamespace() && process.geteuid?.() !== 0;
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

/** Numbers of users and groups that files can belong to, as text such as `0` or `0-999`. */
export interface Users {
  readonly uids: string;
  readonly gids: string;
}

/** As many as a range in /etc/subuid usually has: fewer are missed by images and steps. */
const ENOUGH = 65_536;

/** Numbers below that, neighbours joined. */
function listRanges(ranges: readonly Range[]): string {
  const joined: { readonly first: number; end: number }[] = [];
  for (const { first, count } of [...ranges].sort((a, b) => a.first - b.first)) {
    const end = Math.min(first + count, ENOUGH);
    if (first >= end) continue;
    const last = joined.at(-1);
    if (last?.end === first) last.end = end;
    else joined.push({ first, end });
  }
  return joined
    .map(({ first, end }) => (end - first === 1 ? `${first}` : `${first}-${end - 1}`))
    .join(',');
}

/** Who is in the user namespace of this process. */
export function presentUsers(): Users {
  return { uids: listRanges(readRanges('uid_map')), gids: listRanges(readRanges('gid_map')) };
}

/** Everybody that images and steps usually ask for. */
const ALL: Users = { uids: `0-${ENOUGH - 1}`, gids: `0-${ENOUGH - 1}` };

/** Is everybody there that images and steps usually ask for? */
export function areAll({ uids, gids }: Users): boolean {
  return uids === ALL.uids && gids === ALL.gids;
}

const parseList = (list: string) =>
  list.split(',').map((range) => {
    const [first = '', last = first] = range.split('-');
    return { first: Number(first), last: Number(last) };
  });

/** Is everybody of the others among these? */
export function includeAll(these: Users, others: Users): boolean {
  return (['uids', 'gids'] as const).every((kind) =>
    parseList(others[kind]).every(({ first, last }) =>
      parseList(these[kind]).some((range) => first >= range.first && last <= range.last),
    ),
  );
}

/**
 * Who is here, is that everybody whom a step counts on?
 * @param here undefined: all @param wanted undefined: all
 */
export function areEnough(here: Users | undefined, wanted: Users = ALL): boolean {
  return here === undefined || includeAll(here, wanted);
}

/** May a process change its supplementary groups? Not where its user has no range of groups. */
export function maySetGroups(): boolean {
  setsGroups ??= readFileSync('/proc/self/setgroups', 'latin1').trim() !== 'deny';
  return setsGroups;
}
