/** Maps of sparse files (GNU tar manual, "Storing Sparse Files"): old GNU, 0.0, 0.1 and 1.0. */
import { ImageError } from '../image-error.js';
import type { SparseFile, SparseSegment } from './entry.js';
import type { PaxRecords } from './fields.js';
import { decimal, numberField } from './fields.js';

const damaged = () => new ImageError('the map of a sparse file in the archive is damaged');

/**
 * Checks that the pieces are in order, inside of the file, and as long as the data.
 * @throws ImageError
 */
export function checkSegments(
  segments: readonly SparseSegment[],
  realSize: number,
  dataSize: number,
): void {
  let end = 0;
  let data = 0;
  for (const { offset, length } of segments) {
    if (offset < end || offset + length > realSize) throw damaged();
    end = offset + length;
    data += length;
  }
  if (data !== dataSize) throw damaged();
}

function pairs(numbers: readonly number[]): SparseSegment[] {
  if (numbers.length % 2 !== 0) throw damaged();
  const segments: SparseSegment[] = [];
  for (let at = 0; at < numbers.length; at += 2) {
    segments.push({ offset: numbers[at] as number, length: numbers[at + 1] as number });
  }
  return segments;
}

/** What the GNU.sparse records say; undefined when the file isn't sparse. @throws ImageError */
export function paxSparse(pax: PaxRecords): SparseFile | undefined {
  const last = (key: string) => pax.get(`GNU.sparse.${key}`)?.at(-1);
  const number = (text: string) => decimal('GNU.sparse', text);
  const size = last('realsize') ?? last('size');
  if (last('major') !== undefined) {
    if (last('major') !== '1' || last('minor') !== '0' || size === undefined) {
      throw new ImageError('the archive holds a sparse file in a form newer than GNU.sparse 1.0');
    }
    return { realSize: number(size), segments: undefined };
  }
  if (size === undefined) return undefined;
  const map = last('map');
  if (map !== undefined) {
    const numbers = map === '' ? [] : map.split(',').map(number);
    return { realSize: number(size), segments: pairs(numbers) };
  }
  const offsets = pax.get('GNU.sparse.offset') ?? [];
  const lengths = pax.get('GNU.sparse.numbytes') ?? [];
  const numbers = offsets.flatMap((offset, at) => [number(offset), number(lengths[at] ?? '')]);
  return { realSize: number(size), segments: pairs(numbers) };
}

/** Pieces in a block of the old GNU format: `count` of them from `offset`, the unused ones empty. */
export function gnuSegments(block: Buffer, offset: number, count: number): SparseSegment[] {
  const segments: SparseSegment[] = [];
  for (let at = offset; at < offset + count * 24 && block[at] !== 0; at += 24) {
    segments.push({ offset: numberField(block, at, 12), length: numberField(block, at + 12, 12) });
  }
  return segments;
}

/** A map that precedes the data: pieces, and the bytes that the map took. */
export interface LeadingMap {
  readonly segments: readonly SparseSegment[];
  readonly bytes: number;
}

/**
 * The map of GNU.sparse 1.0: lines with the number of pieces, then offset and length of each.
 * @param data from the start of the data on
 * @returns undefined when more data is needed
 * @throws ImageError
 */
export function leadingMap(data: Buffer): LeadingMap | undefined {
  const numbers: number[] = [];
  let at = 0;
  while (numbers.length === 0 || numbers.length < 1 + 2 * (numbers[0] as number)) {
    const end = data.indexOf(0x0a, at);
    if (end === -1 && data.length - at > 20) throw damaged();
    if (end === -1) return undefined;
    numbers.push(decimal('GNU.sparse', data.toString('latin1', at, end)));
    at = end + 1;
  }
  return { segments: pairs(numbers.slice(1)), bytes: Math.ceil(at / 512) * 512 };
}
