/** Writes the data of one file, sparse ones with their holes. */
import { ftruncateSync } from 'node:fs';
import { ImageError } from '../../oci/image-error.js';
import type { SparseFile, SparseSegment } from '../../oci/tar/entry.js';
import type { EntrySink } from '../../oci/tar/parser.js';
import { checkSegments, leadingMap } from '../../oci/tar/sparse.js';
import { writeAll } from '../../util/write-all.js';

/** A map of 1.0 comes as text; as long as an extended header may be. */
const MAX_MAP = 4 << 20;

/** Writes consecutive data into the segments of a file. */
function segmentWriter(fd: number, segments: readonly SparseSegment[]): (piece: Buffer) => void {
  let index = 0;
  let within = 0;
  return (piece) => {
    for (let at = 0; at < piece.length; ) {
      const segment = segments[index];
      if (segment === undefined) throw new ImageError('a sparse file has more data than its map');
      const part = piece.subarray(at, at + segment.length - within);
      writeAll(fd, part, segment.offset + within);
      at += part.length;
      within += part.length;
      if (within === segment.length) {
        index += 1;
        within = 0;
      }
    }
  };
}

function sparseSink(fd: number, size: number, { realSize, segments }: SparseFile): EntrySink {
  const begin = (map: readonly SparseSegment[], mapBytes: number) => {
    checkSegments(map, realSize, size - mapBytes);
    return segmentWriter(fd, map);
  };
  let write = segments === undefined ? undefined : begin(segments, 0);
  let head: Buffer = Buffer.alloc(0);
  return {
    write(piece) {
      if (write !== undefined) return write(piece);
      head = Buffer.concat([head, piece]);
      const map = leadingMap(head);
      if (head.length > MAX_MAP) throw new ImageError('the map of a sparse file is too large');
      if (map === undefined || head.length < map.bytes) return undefined;
      write = begin(map.segments, map.bytes);
      return write(head.subarray(map.bytes));
    },
    end() {
      if (write === undefined) throw new ImageError('a sparse file has no map');
      ftruncateSync(fd, realSize);
    },
  };
}

/**
 * A sink for the `size` bytes of data that an archive holds of a file.
 * @param fd an empty file
 */
export function fileSink(fd: number, size: number, sparse: SparseFile | undefined): EntrySink {
  if (sparse !== undefined) return sparseSink(fd, size, sparse);
  return { write: (piece) => writeAll(fd, piece), end: () => {} };
}
