/** A snapshot's files into a directory: nothing of it is trusted but what its digests prove. */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { createLayerWriter, type LayerWriter } from '../../fs/archive/layer-writer.js';
import { decompressed } from '../../oci/compress/decompress.js';
import { ImageError } from '../../oci/image-error.js';
import type { Descriptor } from '../../oci/resolved-image.js';
import type { TarEntry } from '../../oci/tar/entry.js';
import { packDescriptor } from '../../shared-cache/mounts/outgoing.js';
import type {
  ContentPlace,
  Pack,
  Snapshot,
  SnapshotEntry,
  SnapshotFile,
} from '../../shared-cache/mounts/snapshot.js';
import { inUserNamespace } from '../../util/user-namespace.js';

/** Where a snapshot comes from. */
export interface SnapshotSource {
  /** For messages. */
  readonly title: string;
  /** Opens a blob, which is verified while it is read. @throws ImageError */
  readonly openBlob: (descriptor: Descriptor) => Promise<Readable>;
  readonly signal: AbortSignal;
}

/** One content of a pack, and the files that have it. */
interface Content {
  readonly place: ContentPlace;
  readonly digest: string;
  readonly files: SnapshotFile[];
}

const NOTHING = {
  mode: 0o777,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  linkName: '',
  major: 0,
  minor: 0,
  xattrs: [],
  sparse: undefined,
} as const;

const TYPES = { directory: 'dir', file: 'file', symlink: 'symlink', link: 'link' } as const;

function asTarEntry(entry: SnapshotEntry): TarEntry {
  const { type, path, ...rest } = entry;
  const linkName = 'target' in entry ? entry.target : '';
  const size = entry.type === 'file' ? entry.place.size : 0;
  return { ...NOTHING, ...rest, name: path, type: TYPES[type], linkName, size };
}

/** The contents of each pack, in their order. */
function contentsByPack(files: readonly SnapshotFile[]): Map<number, Content[]> {
  const packs = new Map<number, Map<number, Content>>();
  for (const file of files) {
    const { place, digest } = file;
    const contents = packs.get(place.pack) ?? new Map<number, Content>();
    packs.set(place.pack, contents);
    const known = contents.get(place.offset);
    if (known) known.files.push(file);
    else contents.set(place.offset, { place, digest, files: [file] });
  }
  return new Map(
    [...packs].map(([pack, contents]) => [
      pack,
      [...contents.values()].sort((a, b) => a.place.offset - b.place.offset),
    ]),
  );
}

/** Takes one content: a file at once, several files when all of it is there. */
function openContent(writer: LayerWriter, content: Content, title: string) {
  const { files, digest } = content;
  const hash = createHash('sha256');
  const [first, ...others] = files;
  // What several files have is small: a list where it is not was refused.
  const pieces: Buffer[] = [];
  const sink = others.length === 0 && first ? writer.put(asTarEntry(first)) : undefined;
  return {
    write: (piece: Buffer) => {
      hash.update(piece);
      if (sink) sink.write(piece);
      else pieces.push(Buffer.from(piece));
    },
    end: () => {
      if (hash.digest('hex') !== digest)
        throw new ImageError(`the cache mount of ${title} has a file with another digest`);
      if (sink) return sink.end();
      for (const file of files) {
        const copy = writer.put(asTarEntry(file));
        for (const piece of pieces) copy?.write(piece);
        copy?.end();
      }
    },
  };
}

/** Cuts a pack into its contents. Bytes between them belong to files that are gone. */
async function unpack(
  writer: LayerWriter,
  pack: Pack,
  contents: readonly Content[],
  { title, openBlob, signal }: SnapshotSource,
): Promise<void> {
  const damaged = () => new ImageError(`a pack of the cache mount of ${title} has another size`);
  const waiting = [...contents].reverse();
  let open: ReturnType<typeof openContent> | undefined;
  let position = 0;
  const take = (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; ) {
      const next = waiting.at(-1);
      if (!next) return;
      const { offset, size } = next.place;
      if (position + at < offset) {
        at = Math.min(chunk.length, offset - position);
        continue;
      }
      open ??= openContent(writer, next, title);
      const end = Math.min(chunk.length, offset + size - position);
      open.write(chunk.subarray(at, end));
      at = end;
      if (position + at < offset + size) continue;
      open.end();
      open = undefined;
      waiting.pop();
    }
  };
  for await (const chunk of decompressed(await openBlob(packDescriptor(pack)), undefined)) {
    signal.throwIfAborted();
    if (position + chunk.length > pack.bytes) throw damaged();
    take(chunk);
    position += chunk.length;
  }
  if (position !== pack.bytes) throw damaged();
}

/** @throws ImageError when its files would take more than so many bytes */
export function checkSize({ entries }: Snapshot, most: number, title: string): void {
  let bytes = 0;
  for (const entry of entries) if (entry.type === 'file') bytes += entry.place.size;
  if (bytes <= most) return;
  throw new ImageError(
    `the cache mount of ${title} has ${bytes} bytes of files, more than mounts-max=${most}`,
    { hint: 'say mounts-max=SIZE in --cache-from, or mounts=false' },
  );
}

/**
 * Writes the files of a snapshot. What is there counts only when this has returned.
 * @param directory trusted path of an empty directory, which keeps its own attributes
 * @throws ImageError for what is damaged or hostile; the file system's errors, IsolationError; the
 *   signal's reason
 */
export async function restoreSnapshot(
  { packs, entries }: Snapshot,
  directory: string,
  source: SnapshotSource,
): Promise<void> {
  const rootless = inUserNamespace();
  const writer = createLayerWriter(directory, { rootless, names: 'files', devices: 'refuse' });
  try {
    const files = entries.filter((entry) => entry.type === 'file');
    for (const entry of entries) {
      const isEmpty = entry.type === 'file' && entry.place.size === 0;
      // Links come last: the file of each is there then, with all that is to be set of it.
      if (entry.type === 'link' || (entry.type === 'file' && !isEmpty)) continue;
      writer.put(asTarEntry(entry))?.end();
    }
    const contents = contentsByPack(files.filter(({ place }) => place.size > 0));
    for (const [place, pack] of packs.entries()) {
      const needed = contents.get(place);
      if (needed) await unpack(writer, pack, needed, source);
    }
    for (const entry of entries) if (entry.type === 'link') writer.put(asTarEntry(entry));
    await writer.finish();
  } finally {
    writer.abandon();
  }
}
