/** Windows of an archive as gzip members: what their bytes depend on, and what threads do. */
import { createHash } from 'node:crypto';
import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { createGzipThreads } from '../../../src/fs/archive/gzip-threads.js';
import { packLayer } from '../../../src/fs/archive/pack.js';
import { compress } from '../../../src/fs/archive/pack-blob.js';
import type { Window } from '../../../src/fs/archive/windows.js';
import { createWindowMemory, WINDOW } from '../../../src/fs/archive/windows.js';
import { gzipMembers } from '../../../src/oci/compress/gzip-members.js';
import { ImageError } from '../../../src/oci/image-error.js';
import { scratch, sha256 } from './helpers.js';

/** The same bytes at every run: blocks of SHA-256, which are dense, and lines of hex digits. */
function deterministic(bytes: number): Buffer {
  const parts: Buffer[] = [];
  for (let size = 0, n = 0; size < bytes; n += 1) {
    const digest = createHash('sha256').update(String(n)).digest();
    const part = n % 8192 < 4096 ? digest : Buffer.from(`${digest.toString('hex')}\n`);
    parts.push(part);
    size += part.length;
  }
  return Buffer.concat(parts).subarray(0, bytes);
}

function getWindow(data: Buffer): Window {
  const bytes = createWindowMemory().take();
  data.copy(bytes);
  return { bytes: bytes.subarray(0, data.length), reads: [] };
}

// The first one: what is tested happens when the library is first used.
test('compression leaves alone what the process does when it fails', () => {
  const handlers = () => [
    process.listeners('uncaughtException'),
    process.listeners('unhandledRejection'),
  ];
  const before = handlers();
  gzipMembers(Buffer.from('data'), 1);
  expect(handlers()).toEqual(before);
});

test.each([
  [1, 'sha256:2cf02b55b67bc7fc33089d38800bad9d922e983f80371b8384b90b5957670c45'],
  [6, 'sha256:4c36b301a16ba7d46617f4695a39227aec45988c554a8fea2103af8c5d8c4e96'],
])('level %i gives these bytes on every machine and every Node', (level, digest) => {
  const data = deterministic(WINDOW);
  const members = gzipMembers(data, level);
  expect(gunzipSync(members).equals(data)).toBe(true);
  // Another digest here is another digest of every image that anybody builds: is that meant?
  expect(sha256(members)).toBe(digest);
});

test('threads give what this thread gives, in the order in which they were asked', async () => {
  const data = deterministic(12 * WINDOW);
  const parts = Array.from({ length: 12 }, (_, n) => data.subarray(n * WINDOW, (n + 1) * WINDOW));
  const threads = createGzipThreads();
  threads.prepare();
  try {
    const members = await Promise.all(parts.map((part) => threads.compress(getWindow(part), 1)));
    for (const [index, part] of parts.entries())
      expect(members[index]?.equals(gzipMembers(part, 1))).toBe(true);
  } finally {
    threads.close();
  }
});

test('what is asked of threads fails when they are closed, before or after', async () => {
  const threads = createGzipThreads();
  threads.prepare();
  const window = getWindow(deterministic(WINDOW));
  const first = threads.compress(window, 9);
  threads.close();
  await expect(first).rejects.toThrow('given up');
  // A thread that is started now would be ended by nobody.
  await expect(threads.compress(window, 9)).rejects.toThrow('given up');
});

test.each([
  ['is gone', (path: string) => rmSync(path)],
  ['is shorter', (path: string) => truncateSync(path, 5 * WINDOW)],
])('a file that %s by the time it is read ends the archive with an error', async (_, change) => {
  const directory = scratch();
  const path = join(directory, 'file');
  writeFileSync(path, deterministic(8 * WINDOW));
  const memory = createWindowMemory();
  async function* changing(): AsyncGenerator<Window> {
    let windows = 0;
    for await (const window of packLayer(directory, { opaque: [], memory })) {
      windows += 1;
      if (windows === 4) change(path);
      yield window;
    }
  }
  const { chunks, result } = compress(changing(), 'gzip', { memory });
  const failure = await buffer(chunks).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(ImageError);
  expect((failure as ImageError).message).toContain(path);
  await expect(result).rejects.toBe(failure);
});
