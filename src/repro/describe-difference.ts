/** The few words that show what differs: excerpts of content, permissions, owners, times. */
import type { ContentDifference, Sample } from '../fs/layer/compare-content.js';
import type { FileDifference } from '../fs/layer/compare-layers.js';
import type { FileStats } from '../fs/scan/file-stats.js';
import { describeTime } from '../util/file-time.js';
import { plural } from '../util/plural.js';
import { printable } from '../util/printable.js';

/** Characters before and behind the first one that differs. */
const BEFORE = 24;
const BEHIND = 48;

const LINE_ENDS = [0, 0x0a];

function isText({ window }: Sample): boolean {
  return !window.some(
    (byte) => byte === 0 || (byte < 0x20 && ![0x09, 0x0a, 0x0d, 0x1b].includes(byte)),
  );
}

/** Are both of them text, where they differ? */
export function areText({ first, second }: ContentDifference): boolean {
  return isText(first) && isText(second);
}

/** The line in which a sample differs, each byte a character. */
export function lineAt({ window, windowStart }: Sample, offset: number): string {
  const at = offset - windowStart;
  const isEnd = (byte: number | undefined) => byte === undefined || LINE_ENDS.includes(byte);
  let from = at;
  while (from > 0 && !isEnd(window[from - 1])) from -= 1;
  let to = at;
  while (to < window.length && !isEnd(window[to])) to += 1;
  return window.toString('latin1', from, to);
}

function excerpt(sample: Sample, offset: number, asText: boolean): string {
  const { window, windowStart, size } = sample;
  const at = offset - windowStart;
  if (offset >= size) return `ends after ${size} bytes`;
  if (!asText) return window.toString('hex', at, at + 16).replace(/(..)(?=.)/g, '$1 ');
  const line = window.subarray(0, at).lastIndexOf(0x0a) + 1;
  const from = Math.max(line, at - BEFORE);
  const end = window.indexOf(0x0a, at);
  const to = Math.min(end === -1 ? window.length : end + 1, at + BEHIND);
  return printable(window.toString('utf8', from, to));
}

const octal = ({ mode }: FileStats) => `mode ${mode.toString(8).padStart(4, '0')}`;
const owner = ({ uid, gid }: FileStats) => `owner ${uid}:${gid}`;
const time = ({ mtimeMs }: FileStats) => `mtime ${describeTime(mtimeMs)}`;
const device = ({ rdev }: FileStats) => `device ${rdev}`;

/** What both have at a path, in the first thing that differs. */
export function describeSides(difference: FileDifference): readonly [string, string] {
  const { first, second, aspects, content, targets, xattrs } = difference;
  if (!first || !second) return [first?.kind ?? 'nothing', second?.kind ?? 'nothing'];
  if (content) {
    const asText = areText(content);
    const { offset } = content;
    return [excerpt(content.first, offset, asText), excerpt(content.second, offset, asText)];
  }
  if (targets) return [`-> ${printable(targets[0])}`, `-> ${printable(targets[1])}`];
  const both = (describe: (stats: FileStats) => string) =>
    [describe(first), describe(second)] as const;
  switch (aspects[0]) {
    case 'kind':
      return [first.kind, second.kind];
    case 'mode':
      return both(octal);
    case 'owner':
      return both(owner);
    case 'device':
      return both(device);
    case 'mtime':
      return both(time);
    case 'xattrs': {
      const [one = '', other = ''] = (xattrs ?? []).map((list) =>
        printable(list.map(([name, value]) => `${name}=${value.slice(0, 32)}`).join(' ')),
      );
      return [one || 'no attributes', other || 'no attributes'];
    }
    case 'links':
      return [plural(first.nlink, 'name'), plural(second.nlink, 'name')];
    default:
      return [aspects.join(', '), aspects.join(', ')];
  }
}
