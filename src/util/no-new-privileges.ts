/** PR_SET_NO_NEW_PRIVS: setuid programs, as newuidmap(1) is one, have no rights of their own then. */
import { readFileSync } from 'node:fs';

/** Does it hold for this process, and so for all that it starts? */
export function hasNoNewPrivileges(): boolean {
  return /^NoNewPrivs:\s*1$/m.test(readFileSync('/proc/self/status', 'latin1'));
}

/** What is told of it, and what to do. */
export const NO_NEW_PRIVILEGES = {
  text: 'newuidmap may not use its rights here (no_new_privs)',
  hint: 'start wiac without that: NoNewPrivileges= of its systemd unit, no-new-privileges or allowPrivilegeEscalation of its container, setpriv --no-new-privs',
} as const;
