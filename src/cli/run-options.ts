/** The options of `wiac run`, as commander gives them, and those of docker run that it does not take. */

import type { Isolation } from '../executor/local/container.js';
import { UsageError } from '../util/errors.js';
import type { LimitOptions } from './container-limits.js';
import { saidOfIdle } from './declare/idle-run-options.js';
import type { PullPolicy } from './run-image.js';

/** Options of `wiac run`. */
export interface RunOptions extends LimitOptions {
  readonly env: readonly string[];
  readonly envFile: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly groupAdd: readonly string[];
  readonly entrypoint?: string;
  readonly layer?: string;
  readonly network: 'host' | 'none' | 'private';
  readonly net?: RunOptions['network'];
  readonly pull: PullPolicy;
  readonly platform?: string;
  readonly requireSigned: readonly string[];
  readonly isolation: Isolation;
  readonly runtime?: string;
  readonly interactive: boolean;
  readonly tty: boolean;
  readonly rm: boolean;
  readonly volume: readonly string[];
  readonly mount: readonly string[];
  readonly tmpfs: readonly string[];
  readonly readOnly: boolean;
  readonly hostname?: string;
  readonly addHost: readonly string[];
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOption: readonly string[];
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly securityOpt: readonly string[];
  readonly privileged: boolean;
  readonly device: readonly string[];
  readonly init: boolean;
  readonly shmSize?: string;
  readonly ulimit: readonly string[];
  readonly quiet: boolean;
  readonly publish: readonly string[];
  readonly publishAll: boolean;
  readonly restart?: string;
  readonly detach: boolean;
  readonly link: readonly string[];
  readonly volumesFrom: readonly string[];
  readonly sysctl: readonly string[];
  readonly gpus?: string;
  readonly ipc?: string;
  readonly pid?: string;
  readonly uts?: string;
  readonly userns?: string;
  readonly cgroupns?: string;
}

/** `[ADDRESS:]PORT:PORT[/udp]`: with this machine's network both ports are one. */
function isSamePort(text: string): boolean {
  const ports = text.replace(/\/(tcp|udp|sctp)$/, '').split(':');
  return ports.at(-1) === ports.at(-2);
}

type Refusal = readonly [given: boolean, option: string, why: string, hint: string];

function refusals(options: RunOptions): Refusal[] {
  const { restart, publish, net } = options;
  const network = net ?? options.network;
  const other = publish.find((text) => !isSamePort(text));
  const own = 'leave it out, or run the image with podman';
  const namespaces = (['ipc', 'pid', 'uts', 'userns', 'cgroupns'] as const).map(
    (name): Refusal => [
      options[name] !== undefined && options[name] !== 'private',
      `--${name}=${options[name]}`,
      'a container has one of its own',
      own,
    ],
  );
  return [
    [
      options.detach,
      '--detach',
      'wiac has no daemon that would look after it',
      'leave -d out and let the shell do it: wiac run ... &, or systemd-run wiac run ...',
    ],
    [
      restart !== undefined && restart !== 'no',
      `--restart=${restart}`,
      'no daemon is there to start it again',
      'let systemd do it: a unit with Restart= and ExecStart=wiac run ...',
    ],
    [
      network !== 'host' && (publish.length > 0 || options.publishAll),
      '--publish',
      `with --network=${network} no port can be reached`,
      'leave one of them out',
    ],
    [
      other !== undefined,
      `--publish ${other}`,
      "the program has this machine's network, and listens on its own port there",
      'let it listen on the port that you want, or give the same port twice',
    ],
    [options.link.length > 0, '--link', 'there are no other containers', own],
    [options.volumesFrom.length > 0, '--volumes-from', 'there are no other containers', own],
    [
      options.sysctl.length > 0,
      '--sysctl',
      "wiac changes no settings of the kernel, of this machine's network or of another one",
      own,
    ],
    [
      options.gpus !== undefined,
      '--gpus',
      'wiac knows none',
      'give its devices: --device /dev/...',
    ],
    ...namespaces,
  ];
}

/** One line for each option that changes nothing. */
function getLines(options: RunOptions): string[] {
  const { publish, publishAll } = options;
  const open =
    "--publish changes nothing: the program has this machine's network: its ports are open on it";
  return [...(publish.length > 0 || publishAll ? [open] : []), ...saidOfIdle({ ...options })];
}

/** @throws UsageError for --rm where something is to be kept */
export function checkRemoval({ rm }: RunOptions, keepsLayer: boolean): void {
  if (!rm || !keepsLayer) return;
  throw new UsageError('--rm: what the program writes is to stay in a directory', {
    hint: 'leave --rm out, or run an image by its name without --layer: it leaves nothing',
  });
}

/**
 * @returns a line for each option that changes nothing
 * @throws UsageError for those of docker run that wiac can't do, or that contradict each other
 */
export function checkRunOptions(options: RunOptions): string[] {
  for (const [given, option, why, hint] of refusals(options))
    if (given) throw new UsageError(`${option}: ${why}`, { hint });
  const { tty, interactive, workdir, isolation } = options;
  if (tty && interactive && !process.stdin.isTTY) {
    throw new UsageError('-t: standard input is no terminal', {
      hint: 'leave -t out; -i alone takes a pipe or a file',
    });
  }
  if (workdir && !workdir.startsWith('/')) {
    throw new UsageError(`--workdir ${workdir}: it is no absolute path`, {
      hint: `write --workdir /${workdir}`,
    });
  }
  const { capAdd, capDrop, securityOpt, device, init, hostname } = options;
  const needsNamespaces: [boolean, string][] = [
    [capAdd.length > 0, '--cap-add'],
    [capDrop.length > 0, '--cap-drop'],
    [securityOpt.length > 0, '--security-opt'],
    [device.length > 0, '--device'],
    [init, '--init'],
    [hostname !== undefined, '--hostname'],
  ];
  const [, option] = needsNamespaces.find(([given]) => given) ?? [];
  if (isolation === 'chroot' && option !== undefined) {
    throw new UsageError(`${option}: with --isolation=chroot only the root is another`, {
      hint: 'leave one of them out',
    });
  }
  if (options.runtime !== undefined && init) {
    throw new UsageError('--init: an OCI runtime has none', {
      hint: 'leave out --runtime or --init',
    });
  }
  return getLines(options);
}
