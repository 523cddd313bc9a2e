/** Layers that threads unpack: the same as here, whatever becomes of an archive or of a thread. */
import { mkdirSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { UnpackSource, UnpackThreads } from '../../../src/fs/archive/unpack-threads.js';
import { createUnpackThreads } from '../../../src/fs/archive/unpack-threads.js';
import { ImageError } from '../../../src/oci/image-error.js';
import {
  describeTree,
  EVERYTHING,
  gnuTar,
  inPieces,
  made,
  names,
  scratch,
  unpack,
} from './helpers.js';

const OPTIONS = { rootless: false, limits: undefined };

let threads: UnpackThreads;
beforeEach(() => {
  threads = createUnpackThreads();
});
afterEach(() => threads.close());

/** An archive for a directory, and how often it was begun anew. */
function sourceOf(data: Buffer, directory: string): UnpackSource & { count: () => number } {
  let count = 0;
  return {
    archive: inPieces(data, 1000),
    again: () => inPieces(data),
    clear() {
      count += 1;
      rmSync(directory, { recursive: true });
      mkdirSync(directory);
    },
    count: () => count,
  };
}

/** How many layers of those that are unpacked at once come to a thread first. */
const inThreads = (layers: number) =>
  Array.from({ length: layers }, (_, at) => (at > 0 && availableParallelism() > 1 ? 1 : 0));

test('several at once come to what one alone comes to', async () => {
  const tree = made(EVERYTHING);
  const archive = gzipSync(gnuTar(tree, '--format=pax', '--xattrs', '--xattrs-include=*'));
  const alone = await unpack(archive, scratch());
  const directories = Array.from({ length: 5 }, scratch);
  const layers = await Promise.all(
    directories.map((directory) =>
      threads.unpack(sourceOf(archive, directory), directory, OPTIONS),
    ),
  );
  const expected = describeTree(tree);
  for (const [at, directory] of directories.entries()) {
    expect(layers[at]).toEqual(alone);
    expect(describeTree(directory)).toEqual(expected);
  }
});

test('a damaged archive fails in threads as here, and leaves nothing under way', async () => {
  const archive = gnuTar(made('seq 200000 > file; echo x > other'));
  const damaged = gzipSync(archive.subarray(0, archive.length - 12_000));
  const sources = [1, 2].map(() => {
    const directory = scratch();
    return { directory, ...sourceOf(damaged, directory) };
  });
  const done = await Promise.allSettled(
    sources.map((source) => threads.unpack(source, source.directory, OPTIONS)),
  );
  const reason = expect.objectContaining({ message: 'the archive ends in the middle of an entry' });
  expect(done).toEqual([1, 2].map(() => ({ status: 'rejected', reason })));
  for (const { reason } of done as PromiseRejectedResult[])
    expect(reason).toBeInstanceOf(ImageError);
  // It is read once more where a thread was at it: the error is that of this thread.
  expect(sources.map(({ count }) => count())).toEqual(inThreads(2));
});

test('what breaks off gives its own error, once nothing is written any more', async () => {
  const archive = gnuTar(made('for n in $(seq 300); do seq 500 > $n; done'));
  const broken = new Error('the line went dead');
  async function* half() {
    for await (const piece of inPieces(archive.subarray(0, archive.length / 2), 1000)) yield piece;
    throw broken;
  }
  const failed = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const directory = scratch();
      const source = { ...sourceOf(archive, directory), archive: Readable.from(half()) };
      const error = await threads.unpack(source, directory, OPTIONS).catch((reason) => reason);
      return { error, directory, after: names(directory) };
    }),
  );
  // A thread that still had something to do would do it before this.
  const more = [1, 2].map(() => {
    const directory = scratch();
    return threads.unpack(sourceOf(archive, directory), directory, OPTIONS);
  });
  expect(await Promise.all(more)).toMatchObject([{ files: 301 }, { files: 301 }]);
  for (const { error, directory, after } of failed) {
    expect(error).toBe(broken);
    expect(names(directory)).toEqual(after);
  }
});
