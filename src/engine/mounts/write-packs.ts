/** Contents into packs: files below tmp/, compressed, whose digests are known when they are complete. */
import { appendFileSync, closeSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { GzipThreads } from '../../fs/archive/gzip-threads.js';
import { compress } from '../../fs/archive/pack-blob.js';
import type { Window, WindowMemory } from '../../fs/archive/windows.js';
import { createWindowMemory, createWindowWriter } from '../../fs/archive/windows.js';
import type { Digest } from '../../oci/resolved-image.js';
import type { Pack } from '../../shared-cache/mounts/snapshot.js';
import { PACK_BYTES } from '../../shared-cache/mounts/snapshot.js';
import { toByteString } from '../../util/byte-string.js';
import { writeAll } from '../../util/write-all.js';

/** A pack that was made, and the file of its blob. */
export interface NewPack {
  readonly pack: Pack;
  readonly path: string;
}

/** Where a content was put: number of the new pack, and its first byte in it. */
export interface NewPlace {
  readonly number: number;
  readonly offset: number;
}

export interface PackWriter {
  /** Puts a small content into the pack that is being filled. It is copied. */
  add(content: Buffer): Promise<NewPlace>;
  /** A file of the scratch directory as a pack of its own. It is removed. */
  addFile(path: string, size: number): Promise<NewPlace>;
  /** Completes the last pack. */
  end(): Promise<readonly NewPack[]>;
}

/** What makes packs. */
export interface PackOptions {
  /** Trusted path of a directory of this process. */
  readonly scratch: string;
  /** Makes names that do not repeat. */
  readonly nextNumber: () => number;
  readonly compression: 'gzip' | 'zstd';
  readonly threads: GzipThreads;
}

async function* windowsOf(
  content: readonly Buffer[] | { readonly path: string; readonly size: number },
  memory: WindowMemory,
): AsyncGenerator<Window> {
  const writer = createWindowWriter(memory);
  if ('path' in content) yield* writer.addFile(toByteString(content.path), content.size);
  else for (const piece of content) yield* writer.add(piece);
  yield* writer.rest();
}

/** @throws (its functions) NoSpaceError and other errors of the file system */
export function createPackWriter(options: PackOptions): PackWriter {
  const { scratch, nextNumber, compression, threads } = options;
  const memory = createWindowMemory();
  const made: Promise<NewPack>[] = [];
  let open: Buffer[] = [];
  let used = 0;

  const write = async (
    content: readonly Buffer[] | { readonly path: string; readonly size: number },
    before: Promise<unknown> | undefined,
  ): Promise<NewPack> => {
    // One after the other: each keeps all cores busy by itself.
    await before;
    const path = join(scratch, `pack-${nextNumber()}`);
    const { chunks, result } = compress(windowsOf(content, memory), compression, {
      threads,
      memory,
    });
    const fd = openSync(path, 'wx', 0o600);
    try {
      for await (const chunk of chunks) writeAll(fd, chunk);
    } finally {
      closeSync(fd);
    }
    if ('path' in content) rmSync(content.path);
    const { digest, size, uncompressedSize: bytes } = await result;
    return { pack: { digest: digest as Digest, size, compression, bytes }, path };
  };
  const begin = async (content: Parameters<typeof write>[0]): Promise<void> => {
    const before = made.at(-1);
    const next = write(content, before);
    // It is waited for with the next one, or at the end.
    next.catch(() => {});
    made.push(next);
    // While this one is compressed the next one is filled; there are never more than these two.
    await before;
  };
  const flush = async (): Promise<void> => {
    if (used === 0) return;
    const content = open;
    open = [];
    used = 0;
    await begin(content);
  };
  return {
    async add(content) {
      if (used + content.length > PACK_BYTES) await flush();
      const place = { number: made.length, offset: used };
      open.push(Buffer.from(content));
      used += content.length;
      return place;
    },
    async addFile(path, size) {
      await flush();
      const place = { number: made.length, offset: 0 };
      await begin({ path, size });
      return place;
    },
    async end() {
      await flush();
      return Promise.all(made);
    },
  };
}

/** Appends to a file of the scratch directory. */
export function appendPiece(path: string, piece: Buffer): void {
  appendFileSync(path, piece, { mode: 0o600 });
}
