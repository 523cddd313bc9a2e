/**
 * Writes over a name that others write over as well. No registry swaps a tag only if it is what it
 * was: so a writer asks, writes, and after a moment asks again whether the name means what it wrote.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Digest } from './resolved-image.js';

/**
 * How long to wait before asking whether another writer has written over it: longer than that one takes from
 * asking what the name means to giving it to its own manifest. It takes as long as we did, and a process may have
 * to wait for its turn in between. ms
 */
const PAUSE = { least: 25, most: 60, timesOurs: 3 };

/** The same for places that do not say what a name means: the other one reads all of it in between. ms */
const LONG_PAUSE = { least: 100, most: 400, timesOurs: 3 };

/** A name at a place. */
export interface ReplacedName {
  /** What it means now; undefined: nothing, or nobody knows. */
  readonly ask: () => Promise<Digest | undefined>;
  /** Gives it to our manifest; undefined when another one is writing. */
  readonly put: () => Promise<Digest | undefined>;
}

/**
 * Gives a name to our manifest, if it still means what our manifest was made from.
 * @param root what it meant then
 * @returns whether the name means our manifest a moment later; else read it, and try again
 */
export async function replaceManifest(
  { ask, put }: ReplacedName,
  root: Digest | undefined,
): Promise<boolean> {
  const started = performance.now();
  const before = await ask();
  // Where nobody knows, only the manifest itself tells.
  if (before !== undefined && before !== root) return false;
  const digest = await put();
  const ours = performance.now() - started;
  const known = (before ?? (await ask())) !== undefined;
  const { least, most, timesOurs } = known ? PAUSE : LONG_PAUSE;
  await sleep(randomInt(least, most) + timesOurs * ours);
  return known && digest !== undefined && (await ask()) === digest;
}
