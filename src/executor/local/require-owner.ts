/** Whether a step's users exist in the user namespace that wiac is in. */
import type { SourceLocation } from '../../util/errors.js';
import { IsolationError } from '../../util/errors.js';
import { rangesHint } from '../../util/free-range.js';
import { isMapped } from '../../util/user-namespace.js';

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
