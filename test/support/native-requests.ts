/** Requests to a build of wiac-sys for files, with AddressSanitizer and UndefinedBehaviorSanitizer. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, expect } from '@jest/globals';
import type { Frame } from '../../src/native/frames.js';
import { encodeFrame, frameReader, TELL } from '../../src/native/frames.js';
import type { PayloadWriter } from '../../src/native/payload.js';
import { payloadReader, payloadWriter } from '../../src/native/payload.js';
import { madeOnce } from './made-once.js';

const NAME = 'wiac-sys-sanitized';

/** Compiles it before the tests of a file. @returns its path, which is there when they run */
export function sanitizedBinary(): string {
  beforeAll(() => madeOnce(NAME, [process.execPath, 'test/support/compile-sanitized.js']));
  return join(process.cwd(), 'dist-checkpoints', NAME);
}

type Request = readonly [kind: number, payload: PayloadWriter | Buffer];

/** @param binary path of the program */
export function requestsTo(binary: string) {
  /** Sends requests and then the end of the stream. @returns all that is told, in its order */
  function ask(...requests: Request[]): Frame[] {
    const input = requests.map(([kind, payload], id) =>
      encodeFrame({ id, kind, payload: Buffer.isBuffer(payload) ? payload : payload.end() }),
    );
    const { stdout, stderr, status } = spawnSync(binary, ['once'], {
      input: Buffer.concat(input),
      maxBuffer: 1 << 28,
    });
    expect({ status, stderr: String(stderr) }).toEqual({ status: 0, stderr: '' });
    const frames: Frame[] = [];
    frameReader((frame) => frames.push({ ...frame, payload: Buffer.from(frame.payload) }))(stdout);
    return frames;
  }
  /** One request that goes well. @returns its records */
  function done(kind: number, payload: PayloadWriter): Buffer {
    const frames = ask([kind, payload]);
    expect(frames.at(-1)).toMatchObject({ kind: TELL.done });
    return Buffer.concat(frames.map((frame) => frame.payload));
  }
  /** One request that fails. @returns number of the error, call, path */
  function failed(kind: number, payload: PayloadWriter): (string | number)[] {
    const [frame, ...more] = ask([kind, payload]);
    expect([frame?.kind, more]).toEqual([TELL.failed, []]);
    const reader = payloadReader(frame?.payload);
    const [error, call, , path] = [reader.number(), reader.text(), reader.text(), reader.text()];
    return [error, String(call), String(path)];
  }
  return { ask, done, failed };
}

export const texts = (...all: (string | Buffer)[]) =>
  all.reduce((payload: PayloadWriter, text) => payload.text(text), payloadWriter());
