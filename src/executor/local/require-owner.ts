/** Whether a step's users exist in the user namespace that wiac is in. */
import type { SourceLocation } from '../../util/errors.js';
import { IsolationError } from '../../util/errors.js';
import { rangesHint } from '../../util/free-range.js';
import type { Users } from '../../util/user-namespace.js';
import { isMapped, maySetGroups } from '../../util/user-namespace.js';

/** Numbers of a user and a group. */
interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * @param what asks for them, such as `COPY`
 * @throws IsolationError for numbers that are in no range of the user who runs wiac
 */
export function requireOwner(owner: Owner, what: string, location?: SourceLocation): void {
  if (isMapped(owner)) return;
  const { uid, gid } = owner;
  const place = location ? `${location.file}:${location.line}: ` : '';
  throw new IsolationError(
    `${place}${what}: there is no user ${uid} with the group ${gid} in your user namespace`,
    { hint: rangesHint() },
  );
}

/** The same of a program: its further groups are groups that the kernel knows, too. @throws IsolationError */
export function requireIdentity(
  { groups, ...owner }: Owner & { readonly groups: readonly number[] },
  what: string,
  location?: SourceLocation,
): void {
  requireOwner(owner, what, location);
  if (!maySetGroups()) return;
  for (const gid of groups) requireOwner({ uid: owner.uid, gid }, what, location);
}

/** How programs fail that give a file to somebody, or become somebody, who is not there. */
const WANTS_USER =
  /(?:ch(?:own|grp)|owner(?:ship)?|set\w*[ug]id|(?:set|init)groups)\b.*(?:Invalid argument|not permitted|failed)/i;

/**
 * @param lines of a step's output that were its last ones, when it failed
 * @param users who is there; undefined: all that images usually have
 */
export function hintAboutUsers(
  lines: readonly string[],
  users: Users | undefined,
): string | undefined {
  if (users === undefined || !lines.some((line) => WANTS_USER.test(line))) return undefined;
  return `it may want somebody who is not in your user namespace: ${rangesHint()}`;
}
