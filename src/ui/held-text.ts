import { plural } from '../util/plural.js';

/** Text for a terminal that something else may have for a while. */

/** So many texts are kept at most; a chatty step must not fill the memory meanwhile. */
const MOST_HELD = 10_000;

export interface HeldText {
  readonly write: (text: string) => void;
  /** From now on texts are kept. */
  readonly hold: () => void;
  /** Writes what was kept, and everything at once from now on. */
  readonly release: () => void;
}

/** @param write to the terminal */
export function heldText(write: (text: string) => void): HeldText {
  let held: string[] | undefined;
  let lost = 0;
  return {
    write: (text) => {
      if (!held) return write(text);
      if (held.length < MOST_HELD) held.push(text);
      else lost += 1;
    },
    hold: () => {
      held ??= [];
    },
    release: () => {
      const texts = held ?? [];
      held = undefined;
      texts.forEach(write);
      if (lost > 0) write(`${plural(lost, 'more line')} not kept\n`);
      lost = 0;
    },
  };
}
