/** Extended attributes of files, read by wiac-sys: their names begin with user., trusted., system. or security. */
import { requestFiles, rootPath } from './file-server.js';
import { ASK } from './frames.js';
import type { PayloadReader } from './payload.js';
import { payloadReader, payloadWriter } from './payload.js';

/** Name and value of each. */
export type RawXattrs = readonly (readonly [name: Buffer, value: Buffer])[];

/** Files of one directory. */
export interface NamedFiles {
  /** Relative to the root. */
  readonly directory: string;
  /** '' is the directory itself. */
  readonly names: readonly string[];
}

/** Bytes of one request: while one is answered, the next one is written. */
const REQUEST_BYTES = 256 << 10;

function readPairs(record: Buffer): RawXattrs {
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

/** Directories with so many names that they make a request. */
function* batches(files: readonly NamedFiles[]): Generator<NamedFiles[]> {
  let batch: NamedFiles[] = [];
  let size = 0;
  for (const { directory, names } of files) {
    let from = 0;
    size += directory.length;
    for (const [index, name] of names.entries()) {
      size += name.length + 1;
      if (size < REQUEST_BYTES) continue;
      yield [...batch, { directory, names: names.slice(from, index + 1) }];
      batch = [];
      size = 0;
      from = index + 1;
    }
    batch.push({ directory, names: names.slice(from) });
  }
  if (batch.length > 0) yield batch;
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
  let first = 0;
  const running: Promise<void>[] = [];
  for (const batch of batches(files)) {
    const payload = payloadWriter().text(rootPath(root));
    const start = first;
    for (const { directory, names } of batch) {
      payload.text(directory).number(names.length);
      for (const name of names) payload.text(name === '' ? '.' : name);
      first += names.length;
    }
    const onRecords = recordReader((reader) => {
      const index = start + reader.number();
      onFile(index, readPairs(reader.bytes()));
    });
    running.push(requestFiles(ASK.xattrs, payload.end(), onRecords).then(onRecords));
  }
  await Promise.all(running);
}

/**
 * Reads those of a directory and of everything below it.
 * @param root trusted path
 * @param onFile gets the path of each file that has any, relative to the root; '' is the root
 * @throws as readListedXattrs
 */
export async function readXattrsBelow(
  root: string,
  onFile: (path: Buffer, xattrs: RawXattrs) => void,
): Promise<void> {
  const onRecords = recordReader((reader) => {
    const path = reader.text();
    onFile(path, readPairs(reader.bytes()));
  });
  onRecords(await requestFiles(ASK.tree, payloadWriter().text(rootPath(root)).end(), onRecords));
}
