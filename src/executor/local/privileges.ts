/**
 * Rootless use: everybody but root continues in a user namespace of their own, in which wiac may
 * mount overlays and give files to other users (user_namespaces(7), newuidmap(1), subuid(5)).
 */
import { accessSync, constants, readFileSync } from 'node:fs';
import { constants as numbers, userInfo } from 'node:os';
import { requireOwnPlace } from '../../store/require-own-place.js';
import { NO_TEXT, variablesWithoutText } from '../../util/environment-bytes.js';
import { IsolationError, UsageError } from '../../util/errors.js';
import { homeDirectory } from '../../util/home-directory.js';
import { hasNoNewPrivileges, NO_NEW_PRIVILEGES } from '../../util/no-new-privileges.js';
import { selfCommand } from '../../util/self-command.js';

/** Set in the process that runs inside of the user namespace. */
const INSIDE = 'WIAC_IN_USER_NAMESPACE';

/** Has the user a range in /etc/subuid or /etc/subgid? */
export function hasRange(file: string, user: string, uid: number): boolean {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .some((line) => line.startsWith(`${user}:`) || line.startsWith(`${uid}:`));
  } catch {
    return false;
  }
}

/** Who is not in /etc/passwd has a number alone. */
export function userName(uid: number): string {
  try {
    return userInfo().username;
  } catch {
    return String(uid);
  }
}

function refuse(
  reason: string,
  hint = 'run it as root, or: install uidmap and allow unprivileged user namespaces',
): never {
  throw new IsolationError(`wiac needs root or a user namespace, and ${reason}`, { hint });
}

/**
 * As `sudo -u` leaves a user in the home of another one: each program that is started begins in there.
 * @throws UsageError
 */
export function requireEntry(): void {
  try {
    accessSync('.', constants.X_OK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'EACCES') return;
    throw new UsageError(`you may not enter the directory that you are in: ${process.cwd()}`, {
      hint: 'go to another one: cd /',
      cause,
    });
  }
}

/**
 * Makes sure that this process may mount and, where its user has ranges, change owners.
 * @param store root of the store to be used
 * @returns undefined to go on; else this process only stood in for one in a user namespace, and
 *   ends with the exit code given here
 * @throws IsolationError when neither is possible; StoreError for a store that another user made
 */
export async function ensurePrivileges(store: string): Promise<number | undefined> {
  const uid = process.getuid?.() ?? 0;
  if (uid === 0 || process.env[INSIDE] !== undefined) return undefined;
  // In there all other users are one.
  requireOwnPlace(store);
  const username = userName(uid);
  // Without ranges there is one user in the namespace, root, and that is enough for many an image.
  const ranges = ['/etc/subuid', '/etc/subgid'].every((file) => hasRange(file, username, uid));
  if (ranges && hasNoNewPrivileges()) refuse(NO_NEW_PRIVILEGES.text, NO_NEW_PRIVILEGES.hint);
  requireEntry();
  const { execa } = await import('execa');
  // When we are killed, what works for us ends too: execa could not tell it.
  const unshare = [
    ...['--user', '--map-root-user', ...(ranges ? ['--map-auto'] : []), '--mount'],
    ...['setpriv', '--pdeathsig', 'KILL', '--'],
  ];
  // First without ranges: where no namespace is to be had, unshare's helper that waits to set them
  // would go on waiting for ever, and we for it.
  for (const flags of [['--user', '--mount', '--'], unshare]) {
    const probe = await execa('unshare', [...flags, 'true'], { reject: false });
    if (probe.exitCode !== 0) refuse(`unshare says: ${probe.stderr.trim() || probe.shortMessage}`);
  }
  const child = execa('unshare', [...unshare, ...(await selfCommand())], {
    stdio: 'inherit',
    reject: false,
    // In there we look like root; the store stays that of the user.
    // /etc/passwd would say that our home is root's.
    env: {
      [INSIDE]: '1',
      WIAC_ROOT: store,
      HOME: homeDirectory(process.env) ?? '/nonexistent',
      [NO_TEXT]: variablesWithoutText(process.env).join(','),
    },
  });
  // A terminal sends these to both; the one that does the work decides.
  for (const name of ['SIGINT', 'SIGQUIT'] as const)
    process.on(name, () => process.stdin.isTTY || child.kill(name));
  for (const name of ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const)
    process.on(name, () => child.kill(name));
  const { exitCode, signal } = await child;
  // One that comes before that process listens for it ends it, as it would end this one.
  return exitCode ?? 128 + (signal === undefined ? 0 : numbers.signals[signal]);
}
