/** A talk with wiac-sys, as a build with AddressSanitizer and UndefinedBehaviorSanitizer. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { afterEach, expect } from '@jest/globals';
import type { Operation } from '../../src/executor/local/operations.js';
import { CLONE, encodeOperations } from '../../src/executor/local/operations.js';
import type { Frame } from '../../src/native/frames.js';
import { ASK, encodeFrame, frameReader, TELL } from '../../src/native/frames.js';
import { payloadReader } from '../../src/native/payload.js';
import { sanitizedBinary } from './native-requests.js';

export const binary = sanitizedBinary();

export interface Talk {
  readonly child: ChildProcess;
  readonly socket: Socket;
  readonly frames: Frame[];
  readonly send: (...frames: Frame[]) => void;
  /** The first reply that fits. */
  readonly reply: (id: number, kind?: number) => Promise<Frame>;
  /** Exit code or signal, and what sanitizers say. */
  readonly ended: Promise<{ code: number | null; said: string }>;
}

const begun: ChildProcess[] = [];
afterEach(() => {
  for (const child of begun.splice(0)) child.kill('SIGKILL');
});

export interface How {
  readonly argv?: readonly string[];
  /** Instead of the program itself. */
  readonly command?: readonly string[];
  readonly stdout?: number;
}

export function talk({ argv = ['serve'], command = [binary, ...argv], stdout }: How = {}): Talk {
  const [program = '', ...rest] = command;
  const child = spawn(program, rest, { stdio: ['ignore', stdout ?? 'pipe', 'pipe', 'pipe'] });
  if (stdout !== undefined) closeSync(stdout);
  begun.push(child);
  const socket = child.stdio[3] as Socket;
  socket.on('error', () => {});
  const frames: Frame[] = [];
  let waiters: (() => void)[] = [];
  const woken = () => {
    for (const wake of waiters) wake();
    waiters = [];
  };
  const read = frameReader((frame) => {
    frames.push({ ...frame, payload: Buffer.from(frame.payload) });
    woken();
  });
  socket.on('data', read);
  let said = '';
  child.stderr?.on('data', (chunk) => {
    said += chunk;
  });
  const ended = new Promise<{ code: number | null; said: string }>((resolve) => {
    child.on('close', (code) => {
      resolve({ code, said });
      woken();
    });
  });
  const reply = async (id: number, kind?: number): Promise<Frame> => {
    for (;;) {
      const found = frames.find((one) => one.id === id && (kind ?? one.kind) === one.kind);
      if (found) return found;
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${said}`);
      await new Promise<void>((resume) => {
        waiters.push(resume);
      });
    }
  };
  const send = (...all: Frame[]) => {
    socket.write(Buffer.concat(all.map(encodeFrame)));
  };
  return { child, socket, frames, send, reply, ended };
}

export const version = (id: number): Frame => ({ id, kind: ASK.version, payload: Buffer.alloc(0) });
export const run = (id: number, ...operations: Operation[]): Frame => ({
  id,
  kind: ASK.run,
  payload: encodeOperations(operations),
});
export const program = (id: number, script: string): Frame =>
  run(
    id,
    { op: 'clone', flags: CLONE.NEWPID },
    { op: 'session' },
    { op: 'exec', argv: ['/bin/sh', '-c', script] },
  );
export const killing = (id: number, signal = 9): Frame => {
  const payload = Buffer.alloc(4);
  payload.writeUInt32LE(signal);
  return { id, kind: ASK.signal, payload };
};

export function outputOf({ frames }: Talk, id: number): string {
  const parts = frames.filter((one) => one.id === id && one.kind === TELL.output);
  return Buffer.concat(parts.map(({ payload }) => payload)).toString();
}

export async function endOf(made: Talk, id: number): Promise<{ code: number; status: string }> {
  const { payload } = await made.reply(id, TELL.ended);
  const reader = payloadReader(payload);
  return { code: reader.number(), status: reader.text().toString() };
}

/** Ends it as wiac does, and expects no complaint. */
export async function finish({ socket, ended }: Talk): Promise<void> {
  socket.end();
  expect(await ended).toEqual({ code: 0, said: '' });
}
