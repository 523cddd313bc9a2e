/** Users and groups of an image, from its own /etc/passwd and /etc/group (passwd(5), group(5)). */
import { readTextBelow } from '../read.js';
import type { Stack } from './stack.js';
import { resolve } from './stack.js';

/** Who a program runs as. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
  /** Home directory; `/` for a user that /etc/passwd does not know. */
  readonly home: string;
}

/** Owner of files, as `--chown` names it. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

function readLines(stack: Stack, path: string): string[][] {
  const entry = resolve(stack, path)?.entry;
  if (!entry?.stats.isFile()) return [];
  return (readTextBelow(entry.root, entry.path) ?? '').split('\n').map((line) => line.split(':'));
}

interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

function findUser(stack: Stack, user: string): User | undefined {
  for (const [name, , uid, gid, , home] of readLines(stack, 'etc/passwd')) {
    if (name !== undefined && uid !== undefined && (name === user || uid === user)) {
      return { name, uid: Number(uid), gid: Number(gid ?? 0), home: home || '/' };
    }
  }
  return undefined;
}

function findGroup(stack: Stack, group: string): number | undefined {
  const line = readLines(stack, 'etc/group').find(([name]) => name === group);
  return line?.[2] === undefined ? undefined : Number(line[2]);
}

function supplementaryGroups(stack: Stack, userName: string): number[] {
  return readLines(stack, 'etc/group')
    .filter(([, , , members]) => members?.split(',').includes(userName))
    .map(([, , gid]) => Number(gid));
}

function splitSpec(spec: string): [string, string | undefined] {
  const at = spec.indexOf(':');
  return at === -1 ? [spec, undefined] : [spec.slice(0, at), spec.slice(at + 1)];
}

const NUMBER = /^\d+$/;

/** What a name could not be found in. */
export interface UnknownName {
  readonly unknown: string;
}

function groupId(stack: Stack, group: string): number | UnknownName {
  if (NUMBER.test(group)) return Number(group);
  return findGroup(stack, group) ?? { unknown: `group ${group} is not in the image's /etc/group` };
}

/** Numbers of groups, by name or number. */
export function findGroups(stack: Stack, groups: readonly string[]): number[] | UnknownName {
  const found = groups.map((group) => groupId(stack, group));
  const unknown = found.find((group) => typeof group !== 'number');
  return unknown ?? found.filter((group) => typeof group === 'number');
}

/**
 * The identity of USER: `user`, `uid`, `user:group`, `uid:gid` (Dockerfile reference, USER: without
 * a primary group the root group is used). Empty means root.
 */
export function resolveIdentity(stack: Stack, spec: string): Identity | UnknownName {
  const [user, group] = splitSpec(spec);
  const known = findUser(stack, user === '' ? '0' : user);
  if (!known && user !== '' && !NUMBER.test(user)) {
    return { unknown: `user ${user} is not in the image's /etc/passwd` };
  }
  const uid = known?.uid ?? Number(user);
  const home = known?.home ?? (uid === 0 ? '/root' : '/');
  if (group === undefined || group === '') {
    const gid = known?.gid ?? 0;
    const groups = known ? supplementaryGroups(stack, known.name) : [];
    return { uid, gid, groups: [...new Set([gid, ...groups])], home };
  }
  const gid = groupId(stack, group);
  return typeof gid === 'number' ? { uid, gid, groups: [gid], home } : gid;
}

/** Images without /etc/passwd or /etc/group: their root is 0 all the same, as in BuildKit. */
const ROOT = { name: 'root', id: 0 };

/**
 * The owner of `--chown=user[:group]`, and of a WORKDIR by its USER (Dockerfile reference, COPY --chown:
 * a number without a group is used for the group as well; a name brings its group from /etc/passwd). What is empty beside a
 * colon is 0.
 */
export function resolveOwner(stack: Stack, spec: string): Owner | UnknownName {
  const [user, group] = splitSpec(spec);
  const numeric = NUMBER.test(user) || user === '';
  const known = numeric ? undefined : findUser(stack, user);
  if (!known && !numeric && user !== ROOT.name)
    return { unknown: `user ${user} is not in the image's /etc/passwd` };
  const uid = known?.uid ?? (numeric ? Number(user) : ROOT.id);
  if (group === undefined) return { uid, gid: known?.gid ?? uid };
  const gid = groupId(stack, group === '' ? '0' : group);
  if (typeof gid !== 'number' && group === ROOT.name) return { uid, gid: ROOT.id };
  return typeof gid === 'number' ? { uid, gid } : gid;
}
