/** Copies regular files into directories that are there, by wiac-sys: its threads copy several at once. */
import { DIGEST_BYTES } from './digest-listed.js';
import { requestFiles, rootPath } from './file-server.js';
import { ASK } from './frames.js';
import { payloadReader, payloadWriter } from './payload.js';

/** A file to be copied. Its time is that of the source. */
export interface FileToCopy {
  readonly name: string;
  /** Name of the copy. What is there is replaced, unless it is a directory. */
  readonly target: string;
  /** 0 to 0o7777. */
  readonly mode: number;
  /** Undefined: the process that copies. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  /** What the source was when it was digested. Bytes; SHA-256 in hex. */
  readonly size: number;
  readonly digest: string;
  /** The copy may be another name of the source: nobody changes that, and all else of them is equal. */
  readonly mayLink: boolean;
}

/** Files of one directory that go into another one. */
export interface DirectoryToFill {
  /** Relative to the root of the sources. */
  readonly from: string;
  /** Relative to the root of the copies; it is there. */
  readonly into: string;
  readonly files: readonly FileToCopy[];
}

/** What became of a file that was not copied as it had been digested. */
export type OtherCopy =
  /** It is no regular file any more, or can't be read; nothing was done. */
  | { readonly kind: 'not copied' }
  /** It was copied as it is now. */
  | { readonly kind: 'changed'; readonly size: number; readonly digest: string };

/** What was made. Sizes are what files take on the disk, in bytes. */
export interface Filled {
  readonly disk: number;
  /** Other names of their sources; `linkedDisk` is not in `disk`. */
  readonly linked: number;
  readonly linkedDisk: number;
}

/** Trusted paths of two directories. */
export interface FillRoots {
  readonly from: string;
  readonly into: string;
  /** The sources may change: what is copied is digested. */
  readonly changes: boolean;
}

/** In the order of native/fill.c: size, mode, owner, group, whether it may be linked, digest. */
const WANTED_BYTES = 24 + DIGEST_BYTES;

const NOT_COPIED = 0;

/** Whoever makes the copy is its owner. */
const NOBODY = 0xffffffff;

function encodeWanted(files: readonly FileToCopy[]): Buffer {
  const wanted = Buffer.alloc(files.length * WANTED_BYTES);
  let at = 0;
  for (const { size, mode, owner, digest, mayLink } of files) {
    wanted.writeBigUInt64LE(BigInt(size), at);
    wanted.writeUInt32LE(mode, at + 8);
    wanted.writeUInt32LE(owner?.uid ?? NOBODY, at + 12);
    wanted.writeUInt32LE(owner?.gid ?? NOBODY, at + 16);
    wanted.writeUInt32LE(Number(mayLink), at + 20);
    wanted.write(digest, at + 24, DIGEST_BYTES, 'hex');
    at += WANTED_BYTES;
  }
  return wanted;
}

/**
 * @param onOther gets the number of each file that was not copied as it had been digested, in the
 *   order of `directories`
 * @throws the file system's errors, IsolationError
 */
export async function fillDirectories(
  { from, into, changes }: FillRoots,
  directories: readonly DirectoryToFill[],
  onOther: (index: number, other: OtherCopy) => void,
): Promise<Filled> {
  const payload = payloadWriter().text(rootPath(from)).text(rootPath(into)).number(Number(changes));
  for (const directory of directories) {
    const { files } = directory;
    payload.text(directory.from).text(directory.into);
    payload.number(files.length).bytes(encodeWanted(files));
    payload.text(files.map(({ name, target }) => `${name}\0${target}`).join('\0'));
  }
  const onRecords = (records: Buffer) => {
    const reader = payloadReader(records);
    while (!reader.isEmpty()) {
      const [index, outcome] = [reader.number(), reader.number()];
      const [size, digest] = [reader.large(), reader.hex(DIGEST_BYTES)];
      onOther(
        index,
        outcome === NOT_COPIED ? { kind: 'not copied' } : { kind: 'changed', size, digest },
      );
    }
  };
  const reader = payloadReader(await requestFiles(ASK.fill, payload.end(), onRecords));
  return { disk: reader.large(), linked: reader.large(), linkedDisk: reader.large() };
}
