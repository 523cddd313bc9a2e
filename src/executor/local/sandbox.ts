/** Starts a container's program through enter.pl and reports how it ended. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IsolationError } from '../../util/errors.js';
import type { Container } from './container.js';
import { enterOperations } from './container.js';
import { encodeOperations } from './operations.js';

/** Gets the program's output in pieces as it comes. Without it the program has our streams. */
export type OnOutput = (chunk: Buffer) => void;

/** How a container's program ended. */
export interface Exit {
  /** As a shell reports it: 128 + number for a signal, 127 not found, 126 not executable. */
  readonly code: number;
  /** Why the program could not be started at all. */
  readonly startError: string | undefined;
}

/** enter.pl lies beside the bundle in dist/ and beside this file in src/executor/local/. */
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
  if (/Function not implemented/.test(message)) return 'wiac needs Linux 5.12 or newer';
  return undefined;
}

/**
 * Runs a container to its end. All mounts are made in a mount namespace of its own: the kernel
 * removes them with the last process, however that ends.
 * @param signal kills every process of the container
 * @throws IsolationError when perl is missing, the kernel refuses an operation, or a file that our
 *   output goes to takes no more
 */
export async function runContainer(
  container: Container,
  onOutput: OnOutput | undefined,
  signal?: AbortSignal,
): Promise<Exit> {
  const { execa } = await import('execa');
  const operations = enterOperations(container, onOutput ? 'capture' : 'relay', process.pid);
  // The program may run, and our parent may send a signal, before execa has returned.
  const early: NodeJS.Signals[] = [];
  let send = (name: NodeJS.Signals): void => {
    early.push(name);
  };
  const forward = (name: NodeJS.Signals) => send(name);
  if (!onOutput) for (const name of FORWARDED) process.on(name, forward);
  // Through a pipe: they hold secrets, and a file would stay when this process is killed.
  const given = Buffer.from(encodeOperations(operations));
  const child = execa('perl', ['-w', enterScript(), process.arch], {
    stdio: [
      ...(onOutput
        ? (['ignore', 'pipe', 'inherit'] as const)
        : (['inherit', 'inherit', 'inherit'] as const)),
      'pipe',
      given,
    ],
    // What passes keys on to the program has to stay in the terminal's foreground.
    detached: onOutput !== undefined || !process.stdin.isTTY,
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
  if (onOutput) child.stdout?.on('data', onOutput);
  send = (name) => {
    child.kill(name);
  };
  for (const name of early) send(name);
  const result = await child;
  signal?.removeEventListener('abort', kill);
  if (!onOutput) for (const name of FORWARDED) process.off(name, forward);
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
  if (status.startsWith('output: ')) {
    throw new IsolationError(
      `the program's output could not be written: ${status.slice('output: '.length).trim()}`,
    );
  }
  const startError = status.startsWith('exec: ') ? status.slice('exec: '.length).trim() : undefined;
  return { code: result.exitCode ?? 137, startError };
}
