/** Starts a container's program through enter.pl and reports how it ended. */
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IsolationError } from '../errors.js';
import type { Container } from './container.js';
import { enterOperations } from './container.js';
import type { Operation } from './operations.js';
import { encodeOperations } from './operations.js';

/** Where the program's standard streams go. */
export type Streams =
  | { readonly kind: 'inherit' }
  /** Output in pieces as it comes; input is empty or the given text. */
  | {
      readonly kind: 'capture';
      readonly onOutput: (chunk: Buffer) => void;
      readonly input: string | undefined;
    };

/** How a container's program ended. */
export interface Exit {
  /** As a shell reports it: 128 + number for a signal, 127 not found, 126 not executable. */
  readonly code: number;
  /** Why the program could not be started at all. */
  readonly startError: string | undefined;
}

/** enter.pl lies beside the bundle in dist/ and beside this file in src/exec/. */
function enterScript(): string {
  return join(dirname(fileURLToPath(import.meta.url)), 'enter.pl');
}

/** The signals that a person or a supervisor sends to a program. */
const FORWARDED = [
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGWINCH',
] as const;

function setupHint(message: string): string | undefined {
  if (/unshare .*Operation not permitted/.test(message)) {
    return 'run wiac as root, or allow unprivileged user namespaces on this machine';
  }
  if (/^setup: mount overlay/.test(message)) {
    return 'overlayfs refused these directories: is the store on overlayfs itself, or a layer missing? see dmesg';
  }
  return undefined;
}

/**
 * Runs a container to its end. All mounts are made in a mount namespace of its own: the kernel
 * removes them with the last process, however that ends.
 * @param scratch directory for the list of operations, removed by the caller
 * @param signal kills every process of the container
 * @throws IsolationError when perl is missing or the kernel refuses an operation
 */
export async function runContainer(
  container: Container,
  streams: Streams,
  scratch: string,
  signal: AbortSignal | undefined,
): Promise<Exit> {
  const { execa } = await import('execa');
  const program = join(scratch, 'operations');
  const captured = streams.kind === 'capture';
  const operations: Operation[] = [
    ...(captured ? [{ op: 'merge-output' } as const] : []),
    ...enterOperations(container),
  ];
  writeFileSync(program, encodeOperations(operations), { mode: 0o600 });
  const detached = captured || !process.stdin.isTTY;
  // The program may run, and whoever started us may send a signal, before execa has returned.
  const early: NodeJS.Signals[] = [];
  let send = (name: NodeJS.Signals): void => {
    early.push(name);
  };
  const forward = (name: NodeJS.Signals) => {
    // The terminal sends its signals to the whole foreground group, the program included.
    const fromTerminal = process.stdin.isTTY && (name === 'SIGINT' || name === 'SIGQUIT');
    if (!fromTerminal) send(name);
  };
  if (!captured) for (const name of FORWARDED) process.on(name, forward);
  const child = execa('perl', [enterScript(), process.arch, program], {
    stdio: captured
      ? [streams.input === undefined ? 'ignore' : 'pipe', 'pipe', 'inherit', 'pipe']
      : ['inherit', 'inherit', 'inherit', 'pipe'],
    ...(captured && streams.input !== undefined ? { input: streams.input } : {}),
    // Without a terminal a session of its own: a program that signals its process group must not
    // reach ours. A step never has one; wiac decides what an interrupt means.
    detached,
    buffer: { fd3: true, stdout: false, stderr: false },
    reject: false,
    env: { PATH: process.env.PATH ?? '' },
    extendEnv: false,
  });
  // The first process of the pid namespace dies with its parent, and all others with it.
  const kill = () => {
    child.kill('SIGKILL');
  };
  signal?.addEventListener('abort', kill, { once: true });
  if (captured) {
    child.stdout?.on('data', streams.onOutput);
  }
  send = (name) => {
    child.kill(name);
  };
  for (const name of early) send(name);
  const result = await child;
  signal?.removeEventListener('abort', kill);
  if (!captured) for (const name of FORWARDED) process.off(name, forward);
  rmSync(program, { force: true });
  const status = String(result.stdio[3] ?? '');
  if (result.exitCode === undefined && result.signal === undefined) {
    throw new IsolationError('perl could not be started', {
      hint: 'install perl-base (apt-get install perl-base)',
      cause: result,
    });
  }
  if (status.startsWith('setup: ')) {
    throw new IsolationError(
      `the container could not be set up: ${status.slice('setup: '.length).trim()}`,
      {
        hint: setupHint(status),
      },
    );
  }
  const startError = status.startsWith('exec: ') ? status.slice('exec: '.length).trim() : undefined;
  return { code: result.exitCode ?? 137, startError };
}
