/** Tells data that deflate can make smaller from data that it can't, by a sample. */
import { deflateRawSync } from 'node:zlib';

/** Bytes of the sample. Few, because they are looked at on the main thread. */
const SAMPLE = 4096;

/**
 * Entropy of the bytes' frequencies in bits above which a sample may be random: 4,096 random bytes
 * have 7.955 on average, text has 4 to 5, programs have 6.
 */
const RANDOM_BITS = 7.9;

/** Parts of its size that a sample must lose by deflate to be worth compressing. */
const WORTHWHILE = 0.03;

function entropy(sample: Buffer): number {
  const counts = new Uint32Array(256);
  for (let at = 0; at < sample.length; at += 1)
    counts[sample[at] ?? 0] = (counts[sample[at] ?? 0] ?? 0) + 1;
  let sum = 0;
  for (const count of counts) if (count > 0) sum += count * Math.log2(count);
  return Math.log2(sample.length) - sum / sample.length;
}

/**
 * Is it a waste of time to compress this? Looks at the middle of the block only: what it misses
 * costs space, never correctness. The answer depends on the data alone.
 */
export function isDense(block: Buffer): boolean {
  if (block.length < SAMPLE) return false;
  const at = (block.length - SAMPLE) >> 1;
  const sample = block.subarray(at, at + SAMPLE);
  if (entropy(sample) < RANDOM_BITS) return false;
  // Tables of numbers have all bytes equally often, and repeat themselves.
  return deflateRawSync(sample, { level: 1 }).length > SAMPLE * (1 - WORTHWHILE);
}
