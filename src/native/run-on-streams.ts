/** `wiac-sys run`: a program that has this process's standard streams, and its signals. */
import type { Socket } from 'node:net';
import { getBinary } from './binary.js';
import type { Frame } from './frames.js';
import { ASK, encodeFrame, frameReader, TELL } from './frames.js';
import type { Reply } from './wiac-sys.js';
import { SOCKET, startError } from './wiac-sys.js';

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

const STDERR = 2;

/** As of a program that SIGKILL ended: nobody else ends wiac-sys. */
function killed(): Reply {
  const payload = Buffer.alloc(4);
  payload.writeUInt32LE(137);
  return { kind: TELL.ended, payload };
}

/**
 * @param operations of the container
 * @param signal ends it
 * @param output where its output goes: standard output may be something else's than the terminal
 * @returns how it ended
 * @throws IsolationError when wiac-sys can't be started
 */
export async function runOnStreams(
  operations: Buffer,
  signal: AbortSignal | undefined,
  output: 'stdout' | 'stderr' = 'stdout',
): Promise<Reply> {
  const { spawn } = await import('node:child_process');
  const binary = getBinary();
  // The program may run, and our parent may send a signal, before spawn has returned.
  const early: NodeJS.Signals[] = [];
  let send = (name: NodeJS.Signals): void => {
    early.push(name);
  };
  const forward = (name: NodeJS.Signals) => send(name);
  for (const name of FORWARDED) process.on(name, forward);
  // What ends it clears up first: the terminal is as before.
  const end = () => send('SIGIO');
  try {
    const child = spawn(binary, ['run', String(process.pid)], {
      stdio: ['inherit', output === 'stdout' ? 'inherit' : STDERR, 'inherit', 'pipe'],
      // What passes keys on to the program has to stay in the terminal's foreground.
      detached: !process.stdin.isTTY,
      env: {},
    });
    send = (name) => {
      child.kill(name);
    };
    signal?.addEventListener('abort', end, { once: true });
    const socket = child.stdio[SOCKET] as Socket | undefined;
    let ended: Reply | undefined;
    // The end says more than a write that fails because of it.
    socket?.on('error', () => {});
    socket?.on(
      'data',
      frameReader((frame: Frame) => {
        ended = frame;
      }),
    );
    // Not through a file, which would stay when this process is killed: they hold secrets.
    socket?.write(encodeFrame({ id: 1, kind: ASK.run, payload: operations }));
    for (const name of early) send(name);
    if (signal?.aborted) end();
    await new Promise<void>((resolve, reject) => {
      child.on('error', (cause) => reject(startError(binary, cause)));
      child.on('close', () => resolve());
    });
    return ended ?? killed();
  } finally {
    signal?.removeEventListener('abort', end);
    for (const name of FORWARDED) process.off(name, forward);
  }
}
