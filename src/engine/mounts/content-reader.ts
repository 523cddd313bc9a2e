/** Reads files of a cache mount, and puts contents that no pack has yet into new ones. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ReadFile } from '../../fs/mounts/read-mount-file.js';
import { readMountFile } from '../../fs/mounts/read-mount-file.js';
import type { FoundFile } from '../../fs/mounts/scan-mount.js';
import type { Walker } from '../../fs/walker.js';
import type { ContentPlace } from '../../shared-cache/mounts/snapshot.js';
import { PACK_BYTES } from '../../shared-cache/mounts/snapshot.js';
import type { ByteString } from '../../util/byte-string.js';
import type { PackOptions } from './write-packs.js';
import { appendPiece, createPackWriter } from './write-packs.js';

/** What there is already. */
export interface KnownContents {
  /** How many packs; new ones come after them. */
  readonly packs: number;
  /** Where a content is, by its SHA-256 in hex. */
  readonly find: (digest: string) => ContentPlace | undefined;
  /** Places of packs that are not there any more. */
  readonly lost: ReadonlySet<number>;
}

/** So many files are read before others get their turn. */
const FILES_A_TURN = 200;

const turn = () => new Promise<void>((resume) => setImmediate(resume));

const NOWHERE: ContentPlace = { pack: 0, offset: 0, size: 0 };

/** @throws (its functions) the file system's errors, NoSpaceError; the signal's reason */
export function contentReader(
  walker: Walker,
  known: KnownContents,
  options: PackOptions,
  signal: AbortSignal,
) {
  const packs = createPackWriter(options);
  const added = new Map<string, ContentPlace>();
  const gone = new Set(known.lost);
  let count = 0;
  let leftOut = 0;
  const find = (digest: string): ContentPlace | undefined => {
    const place = known.find(digest);
    return place && !gone.has(place.pack) ? place : added.get(digest);
  };
  const readSmall = async (path: ByteString): Promise<ReadFile | undefined> => {
    let pieces: Buffer[] = [];
    const read = readMountFile(walker, path, () => {
      pieces = [];
      return (piece) => void pieces.push(Buffer.from(piece));
    });
    if (!read || read.size === 0 || find(read.digest)) return read;
    const { number, offset } = await packs.add(Buffer.concat(pieces));
    added.set(read.digest, { pack: known.packs + number, offset, size: read.size });
    return read;
  };
  const readLarge = async (path: ByteString): Promise<ReadFile | undefined> => {
    const copy = join(options.scratch, `content-${options.nextNumber()}`);
    const read = readMountFile(walker, path, () => {
      rmSync(copy, { force: true });
      return (piece) => appendPiece(copy, piece);
    });
    if (!read || read.size === 0 || find(read.digest)) {
      rmSync(copy, { force: true });
      return read;
    }
    const { size } = read;
    const { number, offset } = await packs.addFile(copy, size);
    added.set(read.digest, { pack: known.packs + number, offset, size });
    return read;
  };
  return {
    /** @returns undefined for a file that is gone, or is written to all the time */
    async read({ path, size }: FoundFile): Promise<ReadFile | undefined> {
      count += 1;
      if (count % FILES_A_TURN === 0) await turn();
      signal.throwIfAborted();
      const read = await (size > PACK_BYTES ? readLarge : readSmall)(path);
      if (!read) leftOut += 1;
      return read;
    },
    /**
     * Where a content is now; undefined when it has to be read for it.
     * @param place where it is, if it is still there: to look for a digest takes longer than all the rest
     */
    placeOf(digest: string, size: number, place?: ContentPlace): ContentPlace | undefined {
      if (size === 0) return NOWHERE;
      return place && !gone.has(place.pack) ? place : find(digest);
    },
    /** Contents of these packs are to be put into new ones, when they are read again. */
    forget(chosen: ReadonlySet<number>) {
      for (const pack of chosen) gone.add(pack);
    },
    /** Files that read gave nothing for. */
    leftOut: () => leftOut,
    /** The new packs. */
    end: () => packs.end(),
  };
}

export type ContentReader = ReturnType<typeof contentReader>;
