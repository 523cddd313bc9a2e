/** Extended attributes of files, read by wiac-sys: their names begin with user., trusted., system. or security. */
import { requestFiles, rootPath } from './file-server.js';
import { ASK } from './frames.js';
import type { NamedFiles } from './named-files.js';
import { requestListed } from './named-files.js';
import type { PayloadReader } from './payload.js';
import { payloadReader, payloadWriter } from './payload.js';

/** Name and value of each. */
export type RawXattrs = readonly (readonly [name: Buffer, value: Buffer])[];

/** Attributes of one file in an answer. */
export function readPairs(record: Buffer): RawXattrs {
  const pairs: [Buffer, Buffer][] = [];
  const reader = payloadReader(record);
  while (!reader.isEmpty()) pairs.push([reader.text(), reader.bytes()]);
  return pairs;
}

function recordReader(onRecord: (reader: PayloadReader) => void): (records: Buffer) => void {
  return (records) => {
    const reader = payloadReader(records);
    while (!reader.isEmpty()) onRecord(reader);
  };
}

/**
 * Reads the attributes of files, not of what symbolic links point to.
 * @param root trusted path
 * @param onFile gets the number of each file that has any, in the order of `files`; a file that is
 *   gone has none
 * @throws the file system's errors, IsolationError
 */
export async function readListedXattrs(
  root: string,
  files: readonly NamedFiles[],
  onFile: (index: number, xattrs: RawXattrs) => void,
): Promise<void> {
  await requestListed(ASK.xattrs, root, files, (first) =>
    recordReader((reader) => {
      const index = first + reader.number();
      onFile(index, readPairs(reader.bytes()));
    }),
  );
}

/** What a tree amounts to. */
export interface TreeTotals {
  /** Entries below the root, itself left out. */
  readonly entries: number;
  /** Sizes of the files, each of its names counted. Bytes. */
  readonly bytes: number;
  /** What du(1) says of it: each inode once. Bytes. */
  readonly disk: number;
  /** Directories within each other, at most. */
  readonly depth: number;
}

const TOTALS_BYTES = 4 * 8;

function readTotals(bytes: Buffer): TreeTotals {
  const last = payloadReader(bytes);
  const [entries, size, disk, depth] = [last.large(), last.large(), last.large(), last.large()];
  return { entries, bytes: size, disk, depth };
}

/** What a walk tells of a file. */
export type OnFile = (path: Buffer, xattrs: RawXattrs) => void;

function walkReader(onFile: OnFile): (records: Buffer) => void {
  return recordReader((reader) => {
    const path = reader.text();
    onFile(path, readPairs(reader.bytes()));
  });
}

/** Reads what wiac-sys has put together of a directory when its container had ended (native/survey.h). */
export function readSurvey(survey: Buffer, onFile: OnFile): TreeTotals {
  const end = survey.length - TOTALS_BYTES;
  walkReader(onFile)(survey.subarray(0, end));
  return readTotals(survey.subarray(end));
}

export interface WalkOptions {
  /** Tell what it amounts to. */
  readonly measure?: boolean;
  /** Files whose names begin so are told as well, be it without attributes. */
  readonly prefix?: string;
}

/**
 * Reads those of a directory and of everything below it.
 * @param root trusted path
 * @param onFile gets the path of each file that has any, relative to the root; '' is the root
 * @returns zeros but for the depth, where nothing is to be measured
 * @throws as readListedXattrs
 */
export async function readXattrsBelow(
  root: string,
  onFile: OnFile,
  { measure = false, prefix = '' }: WalkOptions = {},
): Promise<TreeTotals> {
  const payload = payloadWriter().text(rootPath(root)).number(Number(measure)).text(prefix);
  return readTotals(await requestFiles(ASK.tree, payload.end(), walkReader(onFile)));
}
