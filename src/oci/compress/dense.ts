/** Tells data that deflate can make smaller from data that it can't, by a sample. */

/** Bytes of the sample. Few, because they are looked at on the main thread. */
const SAMPLE = 4096;

/**
 * Bits a byte above which the sample counts as random: 4,096 random bytes have 7.955 on average,
 * text has 4 to 5, programs have 6.
 */
const RANDOM_BITS = 7.9;

/**
 * A byte that is found so often leaves at most 7.84 bits to the sample: a sixteenth of it tells
 * little, and the others 8 bits at most. Text and zeros are done with soon.
 */
const TOO_OFTEN = SAMPLE / 16;

function entropy(counts: Uint32Array): number {
  let sum = 0;
  for (const count of counts) if (count > 0) sum += count * Math.log2(count);
  return Math.log2(SAMPLE) - sum / SAMPLE;
}

/**
 * Counts a sample's bytes. A function of its own, because V8 optimizes such a loop while it runs, and
 * takes that back when it first gets to see what comes after it.
 * @returns false as soon as one byte is found too often
 */
function countBytes(block: Buffer, start: number, counts: Uint32Array): boolean {
  for (let at = start; at < start + SAMPLE; at += 1) {
    const byte = block[at] as number;
    const count = (counts[byte] as number) + 1;
    if (count === TOO_OFTEN) return false;
    counts[byte] = count;
  }
  return true;
}

/** Counts the steps from each byte to the next. */
function countSteps(block: Buffer, start: number, counts: Uint32Array): void {
  let before = 0;
  for (let at = start; at < start + SAMPLE; at += 1) {
    const byte = block[at] as number;
    const step = (byte - before) & 255;
    counts[step] = (counts[step] as number) + 1;
    before = byte;
  }
}

/**
 * Is it a waste of time to compress this? Looks at the middle of the block only: what it misses
 * costs space or time, never correctness. The answer depends on the data alone.
 */
export function isDense(block: Buffer): boolean {
  if (block.length < SAMPLE) return false;
  const start = (block.length - SAMPLE) >> 1;
  const bytes = new Uint32Array(256);
  if (!countBytes(block, start, bytes) || entropy(bytes) <= RANDOM_BITS) return false;
  // Tables of numbers have all bytes equally often, but not all steps from one to the next.
  const steps = new Uint32Array(256);
  countSteps(block, start, steps);
  return entropy(steps) > RANDOM_BITS;
}
