/** In what the second run of a step differs from the first one. */
import type { Isolation } from '../../executor/local/container.js';
import type { Variation } from '../../executor/local/variation.js';
import type { ReproReport, Variable } from '../../repro/repro-report.js';

/** What differs between any two builds. */
export const USUAL: readonly Variable[] = ['time', 'pids', 'hostname', 'order', 'cpus'];

/** No program has such a number in a first run; below the smallest limit of kernels, 32768. */
const LAST_PID = 27_000;
/** Nothing in common with the usual name. */
const HOSTNAME = 'another-host';
/** Takes permissions of the group and all of others. The usual one is 0022. */
const UMASK = '0077';
/** POSIX has zones that need no file: this one is 14 hours ahead. */
const LOCALE = { LANG: 'en_US.UTF-8', LC_ALL: 'en_US.UTF-8', TZ: 'UTC-14' };

/** What decides what can be varied. */
export interface Machine {
  readonly isolation: Isolation;
  readonly runtime: string | undefined;
  /** Numbers of CPUs that this process may use. */
  readonly cpus: readonly number[];
  /** The steps have CPUs of their own. */
  readonly hasCpuset: boolean;
}

/** Why something is the same in both runs after all. */
function obstacle(
  what: Variable,
  { isolation, runtime, cpus, hasCpuset }: Machine,
): string | undefined {
  if (what === 'hostname' && isolation === 'chroot')
    return '--isolation=chroot has no name of its own';
  if (what === 'pids' && runtime !== undefined) return 'the OCI runtime gives the numbers';
  if (what === 'cpus' && hasCpuset) return '--cpuset-cpus gives them';
  if (what === 'cpus' && cpus.length < 2) return 'this machine has one';
  return undefined;
}

/** How a step is run a second time. */
export interface Repetition extends Pick<ReproReport, 'varied' | 'notVaried'> {
  readonly variation: Variation;
  readonly hostname: string;
  readonly lastPid: number | undefined;
  readonly cpus: number;
}

/** @param usualHostname of the first run */
export function repetition(
  wanted: readonly Variable[],
  machine: Machine,
  usualHostname: string,
): Repetition {
  const asked = wanted.map((what) => ({ what, why: obstacle(what, machine) }));
  const notVaried = asked.flatMap(({ what, why }) => (why === undefined ? [] : [{ what, why }]));
  const varied = asked.flatMap(({ what, why }) => (why === undefined ? [what] : []));
  const has = (what: Variable) => varied.includes(what);
  const cpus = machine.cpus.slice(-1);
  const lastPid = has('pids') ? LAST_PID : undefined;
  return {
    varied,
    notVaried,
    hostname: has('hostname') ? HOSTNAME : usualHostname,
    lastPid,
    cpus: has('cpus') ? cpus.length : machine.cpus.length,
    variation: {
      hostname: has('hostname') ? HOSTNAME : undefined,
      lastPid,
      cpus: has('cpus') ? cpus : undefined,
      order: has('order'),
      umask: has('umask') ? UMASK : undefined,
      env: has('locale') ? LOCALE : undefined,
    },
  };
}
