/** Rows of a record on their way to its file. */
import type { GrowingBuild } from '../../store/builds/build-files.js';

/** So much waits for the next write. Characters. */
const BATCH = 64 * 1024;
/** So long at most: what a kill can take. ms */
const BATCH_MS = 100;

/** How rows of output begin. */
const OUTPUT = '{"type":"output"';

export interface RowBatches {
  readonly add: (row: string) => void;
  /** Writes what waits. */
  readonly flush: () => void;
  readonly close: () => void;
}

/**
 * Writes rows in batches: a build that takes no time writes once.
 * @param open called with the first batch, and again when it failed
 */
export function openBatches(open: () => GrowingBuild): RowBatches {
  let file: GrowingBuild | undefined;
  let batch: string[] = [];
  let size = 0;
  let isFirst = true;
  let timer: NodeJS.Timeout | undefined;
  const write = (rows: readonly string[]): boolean => {
    try {
      file ??= open();
      file.append(`${rows.join('\n')}\n`);
      isFirst = false;
      return true;
    } catch {
      return false;
    }
  };
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (size === 0) return;
    const rows = batch;
    [batch, size] = [[], 0];
    if (write(rows)) return;
    // The disk is full, or the store can't be written. What steps print is long, all the rest is short.
    const others = rows.filter((row) => !row.startsWith(OUTPUT));
    if (others.length > 0 && others.length < rows.length && write(others)) return;
    // These rows are lost; later ones may not be, and mean nothing without the first.
    if (isFirst) batch = rows.slice(0, 1);
  };
  return {
    flush,
    add(row) {
      batch.push(row);
      size += row.length + 1;
      if (size > BATCH) flush();
      else timer ??= setTimeout(flush, BATCH_MS).unref();
    },
    close() {
      flush();
      file?.close();
      file = undefined;
    },
  };
}
