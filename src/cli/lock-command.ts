/** `wiac lock` */
import { checkLockFile, outdatedSources } from '../engine/locks/ask-lock.js';
import type { LockRequest } from '../engine/locks/find-inputs.js';
import { lockBuild } from '../engine/locks/lock-build.js';
import type { Renewal } from '../lock/lock-inputs.js';
import type { LockChange } from '../lock/merge-lock.js';
import type { Store } from '../store/store.js';
import { formatTable } from '../ui/format.js';
import { openLog } from '../ui/log.js';
import { UsageError } from '../util/errors.js';
import { printable } from '../util/printable.js';
import type { SetExitCode } from './declare/options.js';
import type { DockerfileOptions } from './dockerfile-input.js';
import { wantedPlatforms } from './dockerfile-input.js';
import { withRequest } from './with-store.js';

/** Options of `wiac lock`, as commander gives them. */
export interface LockOptions extends DockerfileOptions {
  readonly update: boolean;
  readonly outdated: boolean;
  readonly check: boolean;
  readonly json: boolean;
}

/** As npm has it: there is something to do. */
const SOMETHING_FOUND = 1;

const SIGNS = { added: '+', removed: '-', changed: '~' };

/** Said when no source was added, removed or changed. */
const NO_CHANGES = {
  new: 'written; the build takes nothing from the network',
  changed: 'written anew; no digest changed',
  same: 'nothing changed',
};

/** Of a new file beside warnings: what is wanted, and could not be locked, may be of the network. */
const NOTHING_LOCKED = 'written; nothing is locked';

function describe({ change, source, before, after }: LockChange): string {
  const values = [before, after].filter((value) => value !== undefined);
  return `${printable(`${SIGNS[change]} ${source} ${values.join(' -> ')}`)}\n`;
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

async function write(
  store: Store,
  request: LockRequest,
  renewal: Renewal,
  { json }: Pick<LockOptions, 'json'>,
) {
  const { file, state, changes, warnings } = await lockBuild(store, request, renewal);
  const warn = await openLog('warn', 'text');
  warnings.forEach(warn);
  if (json) return print({ file, state, changes });
  const words = state === 'new' && warnings.length > 0 ? NOTHING_LOCKED : NO_CHANGES[state];
  if (changes.length === 0) process.stderr.write(`${file}: ${words}\n`);
  for (const change of changes) process.stdout.write(describe(change));
}

async function check(
  store: Store,
  request: LockRequest,
  { json }: LockOptions,
  setExitCode: SetExitCode,
) {
  const problems = await checkLockFile(store, request);
  if (problems.length > 0) setExitCode(SOMETHING_FOUND);
  if (json) return print(problems);
  for (const { message, location } of problems)
    process.stdout.write(
      `${printable(`${location ? `${location.file}:${location.line}: ` : ''}${message}`)}\n`,
    );
  if (problems.some(({ problem }) => problem !== 'no such step'))
    process.stderr.write('hint: wiac lock puts it right\n');
}

async function outdated(
  store: Store,
  request: LockRequest,
  { json }: LockOptions,
  setExitCode: SetExitCode,
) {
  const found = await outdatedSources(store, request);
  if (found.length > 0) setExitCode(SOMETHING_FOUND);
  if (json) return print(found.map((row) => ({ ...row, current: row.current ?? null })));
  if (found.length === 0) return;
  const rows = found.map(({ source, locked, current }) => [source, locked, current ?? 'gone']);
  process.stdout.write(formatTable([['SOURCE', 'LOCKED', 'CURRENT'], ...rows]));
}

/** Writes the lock file, or answers a question about it. */
export function lockCommand(
  path: string,
  names: readonly string[],
  options: LockOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  const asked = [options.update, options.outdated, options.check];
  if (asked.filter(Boolean).length > 1)
    throw new UsageError('--update, --outdated and --check exclude each other');
  if (names.length > 0 && !options.update)
    throw new UsageError(`wiac lock takes names with --update alone: ${names.join(' ')}`);
  const renewal: Renewal = !options.update ? [] : names.length > 0 ? names : 'all';
  const { platform, ...others } = options;
  return withRequest(path, others as DockerfileOptions, (store, request) => {
    const wanted: LockRequest = {
      ...request,
      ...(platform === undefined ? {} : { platforms: wantedPlatforms(platform) }),
    };
    if (options.check) return check(store, wanted, options, setExitCode);
    if (options.outdated) return outdated(store, wanted, options, setExitCode);
    return write(store, wanted, renewal, options);
  });
}
