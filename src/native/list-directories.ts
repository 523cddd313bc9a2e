/** What is in many directories, by wiac-sys. */
import { requestFiles, rootPath } from './file-server.js';
import { ASK } from './frames.js';
import { payloadReader, payloadWriter } from './payload.js';

/** Numbers of each name, in the order of native/directories.c. */
export const LISTED_FIELDS = 8;
export const LISTED_OTHERS = 5;

/** The names in a directory, in code unit order of the text that they are, and what lstat says of them. */
export interface ListedDirectory {
  readonly count: number;
  /** Each ended by NUL. */
  readonly names: Buffer;
  /** LISTED_FIELDS and LISTED_OTHERS for each name. */
  readonly fields: Float64Array;
  readonly others: Float64Array;
  /** When each was read last: ms. */
  readonly accessed: Float64Array;
}

/** In the place of a count: the directory is not there, or is something else. */
const GONE = 0xffffffff;

/** A copy, because numbers in an answer begin anywhere. */
function doubles(bytes: Buffer): Float64Array {
  const numbers = new Float64Array(bytes.length / Float64Array.BYTES_PER_ELEMENT);
  new Uint8Array(numbers.buffer).set(bytes);
  return numbers;
}

/**
 * @param root trusted path
 * @param paths relative to it; as bytes where not every name is text
 * @returns one for each path; undefined where there is no directory
 * @throws the file system's errors, IsolationError
 */
export async function listDirectories(
  root: string,
  paths: readonly (string | Buffer)[],
): Promise<(ListedDirectory | undefined)[]> {
  const payload = payloadWriter().text(rootPath(root));
  for (const path of paths) payload.text(path);
  const listed: (ListedDirectory | undefined)[] = [];
  const onRecords = (records: Buffer) => {
    const reader = payloadReader(records);
    while (!reader.isEmpty()) {
      const count = reader.number();
      if (count === GONE) {
        listed.push(undefined);
        continue;
      }
      // What comes next is part of the same answer, which is not kept for it.
      const names = Buffer.from(reader.bytes());
      const fields = doubles(reader.part(count * LISTED_FIELDS * Float64Array.BYTES_PER_ELEMENT));
      const others = doubles(reader.part(count * LISTED_OTHERS * Float64Array.BYTES_PER_ELEMENT));
      const accessed = doubles(reader.part(count * Float64Array.BYTES_PER_ELEMENT));
      listed.push({ count, names, fields, others, accessed });
    }
  };
  onRecords(await requestFiles(ASK.list, payload.end(), onRecords));
  return listed;
}
