/** Texts that are taken out of others: thousands of them from thousands of lines. Pure. */

/** Shorter ones are in every other word. */
const SHORTEST = 4;

/** How many beginnings are told apart. */
const BEGINNINGS = 1 << 16;

/** Of the first four characters. */
function beginning(text: string, at: number): number {
  const [a, b] = [text.charCodeAt(at), text.charCodeAt(at + 1)];
  const [c, d] = [text.charCodeAt(at + 2), text.charCodeAt(at + 3)];
  return ((a << 12) ^ (b << 8) ^ (c << 4) ^ d) & (BEGINNINGS - 1);
}

/** Takes them out. */
export interface HiddenTexts {
  readonly isEmpty: () => boolean;
  readonly add: (texts: Iterable<string>) => void;
  /** @returns the text with the mark in the place of each, and of those that overlap */
  readonly replaceIn: (text: string, mark: string) => string;
}

/** None is hidden yet. */
export function hiddenTexts(): HiddenTexts {
  const known = new Set<string>();
  const begins = new Uint8Array(BEGINNINGS);
  /** Lengths, the longest first. */
  let lengths: number[] = [];
  /** End of the longest one that begins there. */
  const endAt = (text: string, at: number): number => {
    if (begins[beginning(text, at)] === 0) return 0;
    const length = lengths.find((one) => known.has(text.slice(at, at + one)));
    return length === undefined ? 0 : at + length;
  };
  return {
    isEmpty: () => known.size === 0,
    add(texts) {
      for (const text of texts) {
        if (text.length < SHORTEST) continue;
        known.add(text);
        begins[beginning(text, 0)] = 1;
      }
      lengths = [...new Set([...known].map((text) => text.length))].sort((a, b) => b - a);
    },
    replaceIn(text, mark) {
      let shown = '';
      let end = 0;
      for (let at = 0; at <= text.length - SHORTEST; at += 1) {
        const until = endAt(text, at);
        // One that begins within another one goes with it.
        if (until > 0 && at >= end) shown += `${text.slice(end, at)}${mark}`;
        end = Math.max(end, until);
      }
      return end === 0 ? text : shown + text.slice(end);
    },
  };
}
