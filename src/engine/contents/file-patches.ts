/** What small text files differ in, as git shows it. */
import { formatPatch, structuredPatch } from 'diff';
import type { FileChange, ShownFile } from '../../fs/layer/diff-stacks.js';
import type { Stack } from '../../fs/layer/stack.js';
import { locate } from '../../fs/layer/stack.js';
import { readBytesBelow } from '../../fs/read.js';
import { toByteString } from '../../util/byte-string.js';

/** Larger files are only named. Bytes. */
const MOST_BYTES = 1 << 20;
/** git looks so far for a NUL byte, and takes a file with one for binary. */
const LOOKED_AT_BYTES = 8000;
/** Lines added and removed; with more, to find the shortest difference would take minutes. */
const MOST_LINES = 5000;
const CONTEXT_LINES = 3;
const FILE_TYPE = 0o100000;
const NOWHERE = '/dev/null';

/** Its bytes as characters; undefined when it is no small text file. '' for one that is not there. */
function readTextFile(stack: Stack, path: string, file: ShownFile | undefined): string | undefined {
  if (!file) return '';
  if (file.type !== 'file' || file.size > MOST_BYTES) return undefined;
  const entry = locate(stack, path);
  const bytes = entry && readBytesBelow(entry.root, entry.path);
  if (!bytes || bytes.subarray(0, LOOKED_AT_BYTES).includes(0)) return undefined;
  return bytes.toString('latin1');
}

/** As git writes it. */
function modeOf({ mode }: ShownFile): string {
  return (FILE_TYPE | mode).toString(8);
}

/** As git writes a name that drives nothing: with what it has of control characters in octal numbers. */
function quoted(name: string): string {
  const isPlain = /^[ !#-[\]-~]*$/.test(name);
  const octal = (each: string) => `\\${each.charCodeAt(0).toString(8).padStart(3, '0')}`;
  return isPlain ? name : `"${name.replace(/[^ !#-[\]-~]/g, octal)}"`;
}

/** In a quoted name, what `formatPatch` makes of a character for a byte: both bytes that it has in UTF-8. */
const BYTE_AS_TEXT = /\\30([23])\\2([0-7]{2})/g;

/** A patch whose names are the bytes that they were given as. */
function withByteNames(patch: string): string {
  const end = patch.indexOf('\n@@ ');
  const header = end === -1 ? patch : patch.slice(0, end);
  return header.replace(BYTE_AS_TEXT, '\\$1$2') + patch.slice(header.length);
}

/** What stands for content that is not shown. */
function unshown(what: string, from: string, to: string, header: string): string {
  const [old, now] = [from, to].map(quoted);
  return `${header}${what} ${old} and ${now} differ\n`;
}

/**
 * The patch of one change, as `patch -p1` takes it; undefined where no file's content differs.
 * @returns a string with a character for each byte
 */
export function filePatch(before: Stack, after: Stack, change: FileChange): string | undefined {
  const { path, before: old, after: now, isContent } = change;
  const isFile = [old, now].some((file) => file?.type === 'file');
  const isOneFile = isFile && (!old || !now);
  if (!isContent && !isOneFile) return undefined;
  // Bytes, as the texts have them.
  const name = toByteString(path);
  const from = old ? `a/${name}` : NOWHERE;
  const to = now ? `b/${name}` : NOWHERE;
  const texts = [readTextFile(before, path, old), readTextFile(after, path, now)];
  const [oldText, newText] = texts;
  const form = {
    oldHeader: undefined,
    newHeader: undefined,
    isGit: true,
    isCreate: !old,
    isDelete: !now,
    ...(old && old.mode !== now?.mode ? { oldMode: modeOf(old) } : {}),
    ...(now && old?.mode !== now.mode ? { newMode: modeOf(now) } : {}),
  };
  const header = () =>
    withByteNames(formatPatch({ oldFileName: from, newFileName: to, hunks: [], ...form }));
  if (oldText === undefined || newText === undefined)
    return unshown('Binary files', from, to, header());
  const limits = { context: CONTEXT_LINES, maxEditLength: MOST_LINES };
  const patch = structuredPatch(from, to, oldText, newText, undefined, undefined, limits);
  if (!patch) return unshown('Very different files', from, to, header());
  return withByteNames(formatPatch({ ...patch, ...form }));
}
