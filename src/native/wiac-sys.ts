/**
 * wiac-sys, the program of native/, while it carries out requests: one process for all containers of
 * a build, because starting a process from Node takes ten times as long as it does from there.
 */
import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { IsolationError } from '../util/errors.js';
import { getBinary } from './binary.js';
import type { Frame } from './frames.js';
import { ASK, encodeFrame, frameReader, PROTOCOL, TELL } from './frames.js';

/** The last reply to a request. */
export type Reply = Omit<Frame, 'id'>;

/** What goes on while a request is carried out. */
export interface RequestIo {
  /** Gets what comes before the last reply. */
  readonly onPart?: (payload: Buffer) => void;
  /** Ends the request's container. */
  readonly signal?: AbortSignal | undefined;
}

/** It is started by the first request, or before. */
export interface WiacSys {
  /** Starts it, because requests will come. Whatever is wrong with that, the first of them says. */
  readonly start: () => void;
  /** @throws IsolationError when wiac-sys can't be started, ends, or refuses the request */
  readonly request: (kind: number, payload: Buffer, io?: RequestIo) => Promise<Reply>;
  /** Ends it, and with it all that it runs. */
  readonly close: () => void;
}

const SIGKILL = 9;

interface Pending {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
  readonly onPart: (payload: Buffer) => void;
}

interface Running {
  readonly send: (frame: Frame) => void;
  /** Whether Node waits for it. */
  readonly hold: (isHeld: boolean) => void;
  readonly end: () => void;
}

/** What a process does, as its argument says it; and for messages. */
const FACES = { serve: 'runs the containers', files: 'sees to files' } as const;

export type Face = keyof typeof FACES;

/** Descriptor of the socket in wiac-sys: the three before it are its standard streams. */
export const SOCKET = 3;

export function startError(binary: string, cause: Error): IsolationError {
  return new IsolationError(`${binary} could not be started: ${cause.message}`, {
    hint: 'was wiac upgraded meanwhile? start it again; else install it again, in a clone of its repository: npm run build',
    cause,
  });
}

function describeEnd(child: ChildProcess): string {
  const { exitCode, signalCode } = child;
  return signalCode === null ? `exit code ${exitCode}` : signalCode;
}

/** @param onEnd called once, when it has ended by itself or could not be started */
async function start(
  face: Face,
  onFrame: (frame: Frame) => void,
  onEnd: (error: IsolationError) => void,
): Promise<Running> {
  const { spawn } = await import('node:child_process');
  const binary = getBinary();
  // A session of its own: what a terminal sends is for wiac, which ends the containers itself.
  const child = spawn(binary, [face], {
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    detached: true,
    env: {},
  });
  const socket = child.stdio[SOCKET] as Socket | undefined;
  child.on('error', (cause) => onEnd(startError(binary, cause)));
  // When all that it had sent is read.
  child.on('close', () =>
    onEnd(new IsolationError(`wiac-sys, which ${FACES[face]}, has ended: ${describeEnd(child)}`)),
  );
  // The end says more than a write that fails because of it.
  socket?.on('error', () => {});
  socket?.on('data', frameReader(onFrame));
  return {
    send: (frame) => socket?.write(encodeFrame(frame)),
    hold: (isHeld) => {
      for (const each of [child, socket])
        if (isHeld) each?.ref();
        else each?.unref();
    },
    end: () => socket?.destroy(),
  };
}

/** Starts nothing yet. */
export function lazyWiacSys(face: Face = 'serve'): WiacSys {
  const pending = new Map<number, Pending>();
  let running: Promise<Running> | undefined;
  /** Why there is none any more. */
  let ended: IsolationError | undefined;
  let numbers = 0;

  const settle = async (id: number): Promise<void> => {
    pending.delete(id);
    const process = await running?.catch(() => undefined);
    process?.hold(pending.size > 0);
  };
  const onFrame = ({ id, kind, payload }: Frame) => {
    const found = pending.get(id);
    if (kind === TELL.output || kind === TELL.part) found?.onPart(payload);
    else {
      settle(id);
      if (kind === TELL.refused)
        found?.reject(new IsolationError(`wiac-sys refused a request: ${payload}`));
      else found?.resolve({ kind, payload });
    }
  };
  const onEnd = (error: IsolationError) => {
    // It was killed, or has a bug: no other one takes its place, and the build ends.
    ended ??= error;
    const left = [...pending.values()];
    pending.clear();
    for (const { reject } of left) reject(error);
  };

  const begin = (): Promise<Running> => {
    running ??= start(face, onFrame, onEnd);
    return running;
  };

  const request = async (kind: number, payload: Buffer, io: RequestIo = {}): Promise<Reply> => {
    const { onPart = () => {}, signal } = io;
    if (ended) throw ended;
    numbers += 1;
    const id = numbers;
    const replied = new Promise<Reply>((resolve, reject) => {
      pending.set(id, { resolve, reject, onPart });
    });
    // It may end before we wait for it.
    replied.catch(() => {});
    const process = await begin();
    process.hold(pending.size > 0);
    const kill = Buffer.alloc(4);
    kill.writeUInt32LE(SIGKILL);
    const abort = () => process.send({ id, kind: ASK.signal, payload: kill });
    process.send({ id, kind, payload });
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await replied;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  };
  return {
    start: () => {
      if (ended || running) return;
      begin().then(
        ({ hold }) => hold(pending.size > 0),
        () => {},
      );
    },
    request,
    close: () => {
      ended ??= new IsolationError('wiac-sys has been ended');
      running?.then(
        ({ end }) => end(),
        () => {},
      );
    },
  };
}

/** @throws IsolationError when it is not the one of this package */
export async function checkVersion(sys: WiacSys): Promise<void> {
  const { payload } = await sys.request(ASK.version, Buffer.alloc(0));
  if (String(payload) === PROTOCOL) return;
  throw new IsolationError(`wiac-sys speaks version ${payload}, wiac ${PROTOCOL}`, {
    hint: 'install wiac again; in a clone of its repository: npm run build',
  });
}
