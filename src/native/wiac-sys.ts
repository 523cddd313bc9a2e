/**
 * wiac-sys, the program of native/, while it carries out requests: one process for all containers of
 * a build, because starting a process from Node takes ten times as long as it does from there.
 */
import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { IsolationError, LimitError, type WiacError } from '../util/errors.js';
import { asLimitError, MORE_PROCESSES } from '../util/open-files.js';
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

/** A container whose first process waits for the rest of its operations. */
export interface WaitingContainer {
  /**
   * Sends the rest.
   * @param payload as ASK_REST of native/message.h has it
   * @throws IsolationError as `request`
   */
  readonly goOn: (payload: Buffer, io: RequestIo) => Promise<Reply>;
  /** Ends it, and waits for that. */
  readonly end: () => Promise<void>;
}

/** It is started by the first request, or before. */
export interface WiacSys {
  /** Starts it, because requests will come. Whatever is wrong with that, the first of them says. */
  readonly start: () => void;
  /** @throws IsolationError when wiac-sys can't be started, ends, or refuses the request */
  readonly request: (kind: number, payload: Buffer, io?: RequestIo) => Promise<Reply>;
  /** Begins a container that waits. What is wrong with that, it says when it is to go on. */
  readonly beginWaiting: (payload: Buffer) => WaitingContainer;
  /** Ends it, and with it all that it runs. */
  readonly close: () => void;
}

const SIGKILL = 9;

interface Pending {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
  readonly onPart: (payload: Buffer) => void;
  /** Node waits for the reply. */
  isHeld: boolean;
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

/** Exit code of one that could start no thread (native/files.c). */
const NO_THREADS = 75;

/** Descriptor of the socket in wiac-sys: the three before it are its standard streams. */
export const SOCKET = 3;

export function startError(binary: string, cause: Error): WiacError {
  const limit = asLimitError(cause);
  if (limit) return limit;
  return new IsolationError(`${binary} could not be started: ${cause.message}`, {
    hint: 'was wiac upgraded meanwhile? start it again; else install it again, in a clone of its repository: npm run build',
    cause,
  });
}

function describeEnd(child: ChildProcess): string {
  const { exitCode, signalCode } = child;
  return signalCode === null ? `exit code ${exitCode}` : signalCode;
}

function endError(face: Face, child: ChildProcess): WiacError {
  const who = `wiac-sys, which ${FACES[face]},`;
  if (child.exitCode === NO_THREADS)
    return new LimitError(`${who} could start no thread`, { hint: MORE_PROCESSES });
  return new IsolationError(`${who} has ended: ${describeEnd(child)}`);
}

/** @param onEnd called once, when it has ended by itself or could not be started */
async function start(
  face: Face,
  onFrame: (frame: Frame) => void,
  onEnd: (error: WiacError) => void,
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
  child.on('close', () => onEnd(endError(face, child)));
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
  let ended: WiacError | undefined;
  let numbers = 0;

  const isHeld = () => [...pending.values()].some((each) => each.isHeld);
  const settle = async (id: number): Promise<void> => {
    pending.delete(id);
    const process = await running?.catch(() => undefined);
    process?.hold(isHeld());
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
  const onEnd = (error: WiacError) => {
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

  const expectReply = (id: number, onPart: RequestIo['onPart'] = () => {}): Promise<Reply> => {
    const replied = new Promise<Reply>((resolve, reject) => {
      pending.set(id, { resolve, reject, onPart, isHeld: true });
    });
    // It may end before we wait for it.
    replied.catch(() => {});
    return replied;
  };
  const kill = (process: Running, id: number) => {
    const payload = Buffer.alloc(4);
    payload.writeUInt32LE(SIGKILL);
    process.send({ id, kind: ASK.signal, payload });
  };
  /** Sends a message, and waits for the reply to the request that has its number. */
  const converse = async (
    message: Frame,
    replied: Promise<Reply>,
    signal: AbortSignal | undefined,
  ): Promise<Reply> => {
    const process = await begin();
    process.hold(isHeld());
    const abort = () => kill(process, message.id);
    process.send(message);
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await replied;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  };
  const request = async (kind: number, payload: Buffer, io: RequestIo = {}): Promise<Reply> => {
    if (ended) throw ended;
    numbers += 1;
    const replied = expectReply(numbers, io.onPart);
    return converse({ id: numbers, kind, payload }, replied, io.signal);
  };
  const beginWaiting = (payload: Buffer): WaitingContainer => {
    numbers += 1;
    const id = numbers;
    let onPart = (_: Buffer) => {};
    const replied = expectReply(id, (part) => onPart(part));
    const own = pending.get(id);
    if (own) own.isHeld = false;
    if (ended) onEnd(ended);
    else
      begin().then(
        (process) => process.send({ id, kind: ASK.run, payload }),
        () => {},
      );
    return {
      goOn(rest, io) {
        onPart = io.onPart ?? onPart;
        if (own) own.isHeld = true;
        return converse({ id, kind: ASK.rest, payload: rest }, replied, io.signal);
      },
      async end() {
        if (own) own.isHeld = true;
        const process = pending.has(id) ? await begin() : undefined;
        process?.hold(isHeld());
        if (process) kill(process, id);
        await replied.catch(() => {});
      },
    };
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
    beginWaiting,
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
