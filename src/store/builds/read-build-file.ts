/** Reads the files of builds, line by line, also while they grow. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as delay } from 'node:timers/promises';

const CHUNK = 64 * 1024;

/** How often a file is looked at that grows. ms */
const POLL_MS = 100;

/** The first and the last line, when the file is longer than both need to be; the others are not read. */
export interface FileEnds {
  readonly first: string;
  /** Empty when the file does not end with a whole line. */
  readonly last: string;
}

function readAt(descriptor: number, from: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(descriptor, bytes, 0, length, from));
}

/** @param bytes whole lines @returns undefined when it begins before them */
function lastLine(bytes: Buffer, isAll: boolean): string | undefined {
  const before = bytes.lastIndexOf(0x0a, -2);
  return before === -1 && !isAll ? undefined : bytes.toString('utf8', before + 1).trimEnd();
}

/** Both ends of a build's file. @throws what the file system says */
export function readEnds(path: string): FileEnds {
  const descriptor = openSync(path, 'r');
  try {
    const { size } = fstatSync(descriptor);
    let first = '';
    let last: string | undefined;
    for (let length = CHUNK; first === '' || last === undefined; length *= 4) {
      const isAll = length >= size;
      const head = readAt(descriptor, 0, Math.min(length, size));
      const end = head.indexOf(0x0a);
      if (end !== -1 || isAll) first = head.toString('utf8', 0, Math.max(0, end));
      const from = Math.max(0, size - length);
      const tail = readAt(descriptor, from, size - from);
      last = tail.at(-1) === 0x0a ? lastLine(tail, isAll) : '';
      if (isAll) break;
    }
    return { first, last: last ?? '' };
  } finally {
    closeSync(descriptor);
  }
}

/**
 * The whole lines of a file.
 * @param goesOn asked at the end of the file: may it grow? It is waited for then.
 */
export async function* readFileLines(
  path: string,
  goesOn: () => boolean = () => false,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(CHUNK);
    const decoder = new StringDecoder('utf8');
    let rest = '';
    for (let isLast = false; ; ) {
      const { bytesRead } = await file.read(buffer, 0, CHUNK);
      if (bytesRead === 0) {
        if (isLast) return;
        // What was written before it stopped is read once more.
        isLast = !goesOn();
        if (!isLast) await delay(POLL_MS, undefined, { signal });
        continue;
      }
      const lines = (rest + decoder.write(buffer.subarray(0, bytesRead))).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } finally {
    await file.close();
  }
}
