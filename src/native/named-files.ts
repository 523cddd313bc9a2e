/** Requests about files that are listed by their directories (native/listed.h). */
import { requestFiles, rootPath } from './file-server.js';
import { payloadWriter } from './payload.js';

/** Files of one directory. */
export interface NamedFiles {
  /** Relative to the root. */
  readonly directory: string;
  /** '' is the directory itself. */
  readonly names: readonly string[];
  /** What of each file is read, where that takes time. */
  readonly bytes?: readonly number[];
}

/** Bytes of one request: while one is answered, the next one is written. */
const REQUEST_BYTES = 64 << 10;

/** To read so many bytes takes as long as to handle a byte of a name. */
const READ_BYTES = 64;

/** Directories with so many names, or so much in their files, that they make a request. */
function* batches(files: readonly NamedFiles[]): Generator<NamedFiles[]> {
  let batch: NamedFiles[] = [];
  let size = 0;
  for (const { directory, names, bytes } of files) {
    let from = 0;
    size += directory.length;
    for (let index = 0; index < names.length; index += 1) {
      size += (names[index] as string).length + 1 + (bytes?.[index] ?? 0) / READ_BYTES;
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

function encode(root: string, batch: readonly NamedFiles[]): Buffer {
  const payload = payloadWriter().text(rootPath(root));
  for (const { directory, names } of batch) {
    const all = names.map((name) => (name === '' ? '.' : name)).join('\0');
    payload.text(directory).number(names.length);
    if (names.length > 0) payload.text(all);
  }
  return payload.end();
}

/**
 * @param root trusted path
 * @param begin gets the number of the first file of each request, in the order of `files`, and returns
 *   what gets the records about it
 * @throws the file system's errors, IsolationError
 */
export async function requestListed(
  kind: number,
  root: string,
  files: readonly NamedFiles[],
  begin: (first: number) => (records: Buffer) => void,
): Promise<void> {
  let first = 0;
  const running: Promise<void>[] = [];
  for (const batch of batches(files)) {
    const onRecords = begin(first);
    for (const { names } of batch) first += names.length;
    running.push(requestFiles(kind, encode(root, batch), onRecords).then(onRecords));
  }
  await Promise.all(running);
}
