/** Whether this worker has the users that the machine of a build has. */
import type { KeyedStep } from '../keys/inputs.js';
import { IsolationError } from '../util/errors.js';
import { rangesHint } from '../util/free-range.js';
import type { Users } from '../util/user-namespace.js';
import { areEnough } from '../util/user-namespace.js';

/**
 * Where chown(2) fails for users that the machine of the build has, a step may do something else than its key says.
 * @param here who is in the user namespace of this worker; undefined: all
 * @throws IsolationError
 */
export function requireUsers(here: Users | undefined, step: KeyedStep): void {
  if (step.kind !== 'run' || areEnough(here, step.resources.users)) return;
  throw new IsolationError('the user namespace of this worker lacks users that the build has', {
    hint: rangesHint(),
  });
}
