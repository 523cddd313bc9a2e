/**
 * A network of a container's own, from which it reaches others as an ordinary program of this machine does, and is
 * reached by nobody: pasta (passt) or slirp4netns passes on what it sends. Nothing of it is left when wiac ends,
 * however that happens.
 */
import { readFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { IsolationError } from '../../util/errors.js';
import type { Container } from './container.js';
import type { NetworkMode } from './rootfs.js';

export interface PrivateNetwork {
  /** What setns(2) takes. */
  readonly namespace: string;
  /** Asks the name servers of this machine, also those on its loopback address. */
  readonly nameserver: string;
  readonly close: () => void;
}

/** Keeps the namespace until the end of its input, which comes with the end of this process at the latest. */
const HOLD = 'echo ready; read line';

interface Holder {
  readonly pid: number;
  readonly close: () => void;
}

/** Makes the namespace in a user namespace of its own: pasta is root in there, and nobody outside. */
async function startHolder(): Promise<Holder> {
  const { execa } = await import('execa');
  const flags = ['--user', '--map-root-user', '--net', '--'];
  const child = execa('unshare', [...flags, 'sh', '-c', HOLD], {
    stdin: 'pipe',
    reject: false,
    buffer: { stdout: false },
  });
  const ready = await new Promise((resume) => {
    child.stdout.once('data', () => resume(true));
    void child.then(() => resume(false));
  });
  if (ready && child.pid !== undefined) return { pid: child.pid, close: () => child.stdin.end() };
  const { stderr } = await child;
  throw new IsolationError(`no private network can be made: ${stderr || 'unshare failed'}`, {
    hint: 'use --network=host or --network=none',
  });
}

/** Connects the namespace of a process. @returns how it ends; undefined when the program is not installed */
type Connect = (pid: number) => Promise<{ nameserver: string; end: () => void } | undefined>;

const [POLL_MS, PATIENCE_MS] = [5, 10_000];

/** An address that is no machine's: pasta answers to it. */
const PASTA_DNS = '169.254.1.1';

/** No port of this machine is reached by loopback, in neither direction. */
const PASTA_FLAGS = [
  ...['--config-net', '--no-map-gw', '--dns-forward', PASTA_DNS, '--runas', '0:0'],
  ...['-t', 'none', '-u', 'none', '-T', 'none', '-U', 'none'],
];

/** Runs a program until the end of the input: pasta does not notice how we end. */
const UNTIL_END =
  'exec 3<&0; "$@" 3<&- & program=$!; { read line; kill $program; } <&3 2>/dev/null & wait $program';

/** sh's answer to a program that is not there. */
const NOT_FOUND = 127;

/** Is there a way out of the namespace of this process? Each line is a route. */
function isRouted(pid: number): boolean {
  const routes = (name: string) => readFileSync(`/proc/${pid}/net/${name}`, 'utf8').split('\n');
  const fourth = routes('route').some((line) => /^\S+\t0{8}\t(?!0{8})/.test(line));
  return (
    fourth || routes('ipv6_route').some((line) => /^0{32} 00 /.test(line) && !/ lo$/.test(line))
  );
}

const connectByPasta: Connect = async (pid) => {
  const { execa } = await import('execa');
  const argv = ['-c', UNTIL_END, 'sh', 'pasta', '-f', ...PASTA_FLAGS, String(pid)];
  const child = execa('sh', argv, { reject: false, stdin: 'pipe' });
  const end = () => child.stdin.end();
  let result: Awaited<typeof child> | undefined;
  void child.then((ended) => {
    result = ended;
  });
  for (let waited = 0; result === undefined && waited < PATIENCE_MS; waited += POLL_MS) {
    if (isRouted(pid)) return { nameserver: PASTA_DNS, end };
    await sleep(POLL_MS);
  }
  end();
  const { exitCode, stderr } = result ?? (await child);
  if (exitCode === NOT_FOUND) return undefined;
  throw failure('pasta', stderr);
};

const connectBySlirp: Connect = async (pid) => {
  const { execa } = await import('execa');
  const flags = ['--configure', '--mtu=65520', '--disable-host-loopback'];
  const descriptors = ['--ready-fd=3', '--exit-fd=4'];
  const child = execa('slirp4netns', [...flags, ...descriptors, String(pid), 'tap0'], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
    reject: false,
    buffer: { fd3: false, fd4: false },
  });
  const [, , , ready, exit] = child.stdio;
  const isReady = await new Promise((resume) => {
    (ready as NodeJS.ReadableStream | undefined)?.once('data', () => resume(true));
    void child.then(() => resume(false));
  });
  if (isReady)
    return { nameserver: '10.0.2.3', end: () => (exit as unknown as Writable).destroy() };
  const result = await child;
  if (result.code === 'ENOENT') return undefined;
  throw failure('slirp4netns', result.stderr);
};

function failure(program: string, stderr: string): IsolationError {
  const last = stderr.trim().split('\n').at(-1) ?? '';
  return new IsolationError(`${program} could not connect a private network: ${last}`, {
    hint: 'use --network=host or --network=none',
  });
}

/** This machine's network, or none: there is nothing to close. */
export interface PlainNetwork {
  readonly namespace?: undefined;
  readonly nameserver?: undefined;
  readonly close: () => void;
}

/** @throws IsolationError where no program for it is installed, or none works */
async function openPrivateNetwork(): Promise<PrivateNetwork> {
  const holder = await startHolder();
  try {
    const { pid } = holder;
    const connected = (await connectByPasta(pid)) ?? (await connectBySlirp(pid));
    if (!connected) {
      throw new IsolationError('--network=private needs pasta or slirp4netns', {
        hint: 'apt-get install passt, or slirp4netns; or use --network=host',
      });
    }
    const close = () => {
      connected.end();
      holder.close();
    };
    return { namespace: `/proc/${pid}/ns/net`, nameserver: connected.nameserver, close };
  } catch (error) {
    holder.close();
    throw error;
  }
}

/** @throws IsolationError as openPrivateNetwork */
export async function openNetwork(mode: NetworkMode): Promise<PrivateNetwork | PlainNetwork> {
  return mode === 'private' ? await openPrivateNetwork() : { close: () => {} };
}

/** What a container is told of it. */
export function containerNetwork(
  mode: NetworkMode,
  { namespace }: PrivateNetwork | PlainNetwork,
): Container['network'] {
  if (namespace !== undefined) return { namespace };
  return mode === 'none' ? 'none' : 'host';
}
