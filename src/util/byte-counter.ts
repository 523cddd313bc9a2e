/** How somebody who moves bytes says how far that is, without knowing who listens. */

/** Bytes that are on their way. */
export interface ByteCounter {
  /** So many more are there. */
  readonly add: (bytes: number) => void;
  readonly end: (state: 'done' | 'failed') => void;
}

/** @param total bytes; undefined when nobody knows */
export type OpenCounter = (total: number | undefined) => ByteCounter;

const SILENT: ByteCounter = { add: () => {}, end: () => {} };

/** Counts while something is done. */
export async function counting<T>(
  open: OpenCounter | undefined,
  total: number | undefined,
  action: (add: ByteCounter['add']) => Promise<T>,
): Promise<T> {
  const counter = open?.(total) ?? SILENT;
  try {
    const result = await action(counter.add);
    counter.end('done');
    return result;
  } catch (error) {
    counter.end('failed');
    throw error;
  }
}
