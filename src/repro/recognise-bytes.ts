/** What kind of field it is in which two files differ, by their formats: headers of archives, numbers. */
import type { ContentDifference, Sample } from '../fs/layer/compare-content.js';
import type { Cause } from './causes.js';
import { isTimeOf } from './recognise-text.js';
import type { RunFacts } from './run-facts.js';

function startsWith({ head }: Sample, ...bytes: number[]): boolean {
  return bytes.every((byte, index) => head[index] === byte);
}

const isGzip = (sample: Sample) => startsWith(sample, 0x1f, 0x8b);

/** RFC 1952, 2.3: MTIME are four bytes behind ID1, ID2, CM and FLG. */
function inGzipHeader({ offset, first, second }: ContentDifference): boolean {
  return isGzip(first) && isGzip(second) && offset >= 4 && offset < 8;
}

/** PEP 552: a magic number that ends with CR LF, flags, then the time and size of the source. */
function inBytecodeHeader({ offset, first, second }: ContentDifference): boolean {
  const isBytecode = ({ head }: Sample) => head[2] === 0x0d && head[3] === 0x0a && head[1] !== 0;
  return isBytecode(first) && isBytecode(second) && offset >= 4 && offset < 16;
}

const AR = Buffer.from('!<arch>\n');

/** ar(5): a header has 16 bytes of a name, 12 of a time, 6 each of an owner and a group, 8 of a mode. */
function inArHeader({ offset, first: { head, window, windowStart } }: ContentDifference): boolean {
  if (!head.subarray(0, AR.length).equals(AR)) return false;
  // A header ends with a grave accent and a newline, at its bytes 58 and 59.
  const at = offset - windowStart;
  for (let start = Math.max(0, at - 47); start <= at - 16; start += 1)
    if (window[start + 58] === 0x60 && window[start + 59] === 0x0a) return true;
  return false;
}

/** APPNOTE.TXT 4.3.7 and 4.3.12: time and date are at byte 10 of a local header, 12 of a central one. */
function inZipTime({ offset, first: { window, windowStart } }: ContentDifference): boolean {
  const at = offset - windowStart;
  const isAt = (start: number, third: number, fourth: number) =>
    window[start] === 0x50 &&
    window[start + 1] === 0x4b &&
    window[start + 2] === third &&
    window[start + 3] === fourth;
  return [0, 1, 2, 3].some((byte) => isAt(at - 10 - byte, 3, 4) || isAt(at - 12 - byte, 1, 2));
}

/** pax(1): of a header's 512 bytes 12 at 136 are the time; what is behind them sums all of it up. */
function inTarTime({ offset, first: { head, window, windowStart } }: ContentDifference): boolean {
  if (head.toString('latin1', 257, 262) !== 'ustar') return false;
  const header = offset - (offset % 512) - windowStart;
  const within = offset % 512;
  const isHeader = window.toString('latin1', header + 257, header + 262) === 'ustar';
  return isHeader && within >= 136 && within < 148;
}

/** Numbers of a sample in four and in eight bytes that reach over a place in the file, in seconds. */
function* numbersAt({ window, windowStart }: Sample, offset: number): Generator<number> {
  const at = offset - windowStart;
  for (let start = Math.max(0, at - 7); start <= at; start += 1) {
    if (start > at - 4 && start + 4 <= window.length) {
      yield window.readUInt32LE(start);
      yield window.readUInt32BE(start);
    }
    if (start + 8 > window.length) continue;
    for (const number of [window.readBigUInt64LE(start), window.readBigUInt64BE(start)])
      for (const unit of [1_000n, 1_000_000n, 1_000_000_000n]) yield Number(number / unit);
  }
}

/** Both files have a number that is a time of their run: chance does that to one pair in a million. */
function holdTimes(
  { offset, first, second }: ContentDifference,
  runs: readonly [RunFacts, RunFacts],
) {
  const isNear = (sample: Sample, run: RunFacts) =>
    [...numbersAt(sample, offset)].some((seconds) => isTimeOf(seconds, run));
  return isNear(first, runs[0]) && isNear(second, runs[1]);
}

const COMPRESSED: readonly (readonly number[])[] = [
  [0x1f, 0x8b],
  [0xfd, 0x37, 0x7a, 0x58, 0x5a],
  [0x28, 0xb5, 0x2f, 0xfd],
  [0x42, 0x5a, 0x68],
  [0x50, 0x4b, 0x03, 0x04],
];

/** So many bytes behind the first difference are looked at. */
const LOOKED_AT = 32;

/** Nearly no byte is the same from there on. */
function areUnlike({ offset, first, second }: ContentDifference): boolean {
  const from = (sample: Sample) =>
    sample.window.subarray(offset - sample.windowStart).subarray(0, LOOKED_AT);
  const [one, other] = [from(first), from(second)];
  if (one.length < 4 || other.length < 4) return false;
  const same = one.reduce((sum, byte, index) => sum + (byte === other[index] ? 1 : 0), 0);
  return same < one.length / 3;
}

/** Fields of formats that are known by their first bytes. */
export function recogniseFormat(difference: ContentDifference): Cause | undefined {
  if (inGzipHeader(difference)) return 'gzip-header';
  if (inBytecodeHeader(difference)) return 'bytecode';
  if (inArHeader(difference) || inZipTime(difference) || inTarTime(difference))
    return 'archive-times';
  return undefined;
}

/** What else can be said of bytes that are no text. */
export function recogniseBytes(
  difference: ContentDifference,
  runs: readonly [RunFacts, RunFacts],
): Cause | undefined {
  const isCompressed = COMPRESSED.some((magic) => startsWith(difference.first, ...magic));
  if (isCompressed) return 'compressed';
  if (holdTimes(difference, runs)) return 'time';
  return areUnlike(difference) ? 'random' : undefined;
}
