/**
 * The rows of a snapshot as numbers: which file of this machine each one is, and where its content lies. Of
 * 20,000 files there is mostly nothing else to be known, and no object is made for them. Pure.
 */
import type { ContentPlace, SnapshotEntry } from '../../shared-cache/mounts/snapshot.js';

/** A file of this machine, as it was when it had the content that its row says. */
export interface NotedFile {
  readonly ino: number;
  /** ms since the epoch. */
  readonly ctimeMs: number;
}

export interface RowTable {
  /** FIELDS for each row. */
  readonly numbers: Float64Array;
  /** DIGEST_BYTES for each row. */
  readonly digests: Buffer;
}

/** ino, ctimeMs, pack, offset, size. Without a file of this machine the first are NaN, without a content the others. */
export const FIELDS = 5;
export const DIGEST_BYTES = 32;

const [INO, CTIME, PACK, OFFSET, SIZE] = [0, 1, 2, 3, 4];

/** @param files of each entry; undefined where nothing is known */
export function makeTable(
  entries: readonly SnapshotEntry[],
  files: readonly (NotedFile | undefined)[],
): RowTable {
  const numbers = new Float64Array(entries.length * FIELDS).fill(Number.NaN);
  const digests = Buffer.alloc(entries.length * DIGEST_BYTES);
  for (const [row, entry] of entries.entries()) {
    const at = row * FIELDS;
    const file = files[row];
    if (file) numbers.set([file.ino, file.ctimeMs], at + INO);
    if (entry.type !== 'file') continue;
    const { pack, offset, size } = entry.place;
    numbers.set([pack, offset, size], at + PACK);
    digests.write(entry.digest, row * DIGEST_BYTES, 'hex');
  }
  return { numbers, digests };
}

/** @param rows how many */
export function partOf({ numbers, digests }: RowTable, first: number, rows: number): RowTable {
  return {
    numbers: numbers.subarray(first * FIELDS, (first + rows) * FIELDS),
    digests: digests.subarray(first * DIGEST_BYTES, (first + rows) * DIGEST_BYTES),
  };
}

export function joinTables(tables: readonly RowTable[]): RowTable {
  const numbers = new Float64Array(tables.reduce((sum, table) => sum + table.numbers.length, 0));
  let at = 0;
  for (const table of tables) {
    numbers.set(table.numbers, at);
    at += table.numbers.length;
  }
  return { numbers, digests: Buffer.concat(tables.map(({ digests }) => digests)) };
}

/** Is the row's file still this one? */
export function isFile({ numbers }: RowTable, row: number, { ino, ctimeMs }: NotedFile): boolean {
  const at = row * FIELDS;
  return numbers[at + INO] === ino && numbers[at + CTIME] === ctimeMs;
}

/** So many contents are looked for sooner than all are put into a map. */
const FEW = 32;

/** Finds contents by their SHA-256 in hex, wherever they are. */
export function contentFinder({
  numbers,
  digests,
}: RowTable): (digest: string) => ContentPlace | undefined {
  let asked = 0;
  let rows: Map<string, number> | undefined;
  const placeOf = (row: number): ContentPlace | undefined => {
    const at = row * FIELDS + PACK;
    const [pack = Number.NaN, offset = 0, size = 0] = numbers.subarray(at, at + 3);
    return Number.isNaN(pack) ? undefined : { pack, offset, size };
  };
  const search = (wanted: Buffer): ContentPlace | undefined => {
    for (let from = digests.indexOf(wanted); from >= 0; from = digests.indexOf(wanted, from + 1)) {
      const place = from % DIGEST_BYTES === 0 && placeOf(from / DIGEST_BYTES);
      if (place) return place;
    }
    return undefined;
  };
  const nameOf = (row: number) =>
    digests.toString('latin1', row * DIGEST_BYTES, (row + 1) * DIGEST_BYTES);
  return (digest) => {
    const wanted = Buffer.from(digest, 'hex');
    asked += 1;
    if (asked <= FEW) return search(wanted);
    rows ??= new Map(
      Array.from({ length: numbers.length / FIELDS }, (_, row) => [nameOf(row), row]),
    );
    const row = rows.get(wanted.toString('latin1'));
    return row === undefined ? undefined : placeOf(row);
  };
}

/** Offsets are below this: a pack has some 16 MiB, or one content only. */
const PACK_STEP = 2 ** 32;

/** Bytes of each pack that rows need, each content once. @param packs how many there are */
export function liveBytes(tables: readonly RowTable[], packs: number): number[] {
  const live = Array.from({ length: packs }, () => 0);
  const seen = new Set<number>();
  for (const { numbers } of tables)
    for (let at = 0; at < numbers.length; at += FIELDS) {
      const pack = numbers[at + PACK] as number;
      const size = numbers[at + SIZE] as number;
      if (!(size > 0)) continue;
      const content = pack * PACK_STEP + (numbers[at + OFFSET] as number);
      if (seen.has(content)) continue;
      seen.add(content);
      live[pack] = (live[pack] ?? 0) + size;
    }
  return live;
}
