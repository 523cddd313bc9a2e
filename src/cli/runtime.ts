/** --runtime: the OCI runtime that makes containers in the place of wiac. */
import { accessSync, constants } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Isolation } from '../executor/local/container.js';
import { IsolationError, UsageError } from '../util/errors.js';

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * @returns the program's path; undefined when none is asked for
 * @throws UsageError together with --isolation=chroot, IsolationError when there is no such program
 */
export function findRuntime(options: {
  readonly runtime?: string | undefined;
  readonly isolation: Isolation;
}): string | undefined {
  const { runtime: name, isolation } = options;
  if (name === undefined) return undefined;
  if (isolation === 'chroot')
    throw new UsageError('--runtime: with --isolation=chroot only the root is another', {
      hint: 'leave one of them out',
    });
  const directories = (process.env.PATH ?? '').split(':').filter((path) => path !== '');
  const candidates = name.includes('/')
    ? [resolve(name)]
    : directories.map((path) => join(path, name));
  const found = candidates.find(canRun);
  if (found !== undefined) return found;
  throw new IsolationError(`--runtime: there is no program ${name}`, {
    hint: 'install crun or runc (apt-get install crun), or give its path',
  });
}
