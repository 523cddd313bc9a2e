/**
 * What the index knows of layers, entries and images also lies beside them, each in a small file, so
 * that the index can be made again (rebuild-index.ts). cache-format.md, "Records", specifies them.
 *
 * A file is written, or removed, within the transaction that does the same in the index: all
 * processes do so one after the other. A line in the process's notes in tmp/ says so until the
 * transaction is over, and a mark in `unsynced` until the file is certainly on disk: a process that is
 * killed, and a power cut, leave it to the next one to make that file what the index says
 * (repair-record.ts).
 */

import {
  appendFileSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { DefinitionKey } from '../../keys/digest.js';
import { sha256 } from '../../util/canonical-json.js';
import { randomName } from '../layers/random-name.js';
import type { StorePaths } from '../paths.js';
import type {
  ImageRecord,
  LayerId,
  LayerRecord,
  OriginalImage,
  RemoteLayerRecord,
  StepRecord,
} from '../records.js';
import type { Session } from '../recovery/session.js';
import { bootOf, isSameSession, sinceBoot } from '../recovery/session.js';
import { hasShape } from './record-shapes.js';

/** A name of an image. */
export interface NameRecord {
  readonly name: string;
  /** Id of the image. */
  readonly image: string;
}

/** When a record was written: whether a power cut may have taken what it speaks of. */
export interface Written {
  /** The session in which. */
  readonly boot: Session;
  /** ms since that boot. */
  readonly at: number;
}

/** A record as it lies beside the index. */
export interface Kept<T> {
  readonly written: Written;
  readonly record: T;
}

/** Records of one kind. */
export interface RecordFolder<T, K extends string> {
  readonly path: string;
  /**
   * Writes a record to tmp/, before the transaction that puts it in its place.
   * @returns the file
   */
  readonly draft: (record: T) => string;
  /** @param draft of this record; it is written now unless there is one */
  readonly put: (record: T, draft?: string) => void;
  readonly remove: (key: K) => void;
  /** Is there a record, and is it this one? */
  readonly holds: (record: T) => boolean;
  /** What a mark on the record says. */
  readonly markOf: (record: T) => string;
  /** What the file of a record is called. */
  readonly getName: (key: K) => string;
  /** Names of the files, for `read` and `removeFile`. */
  readonly names: () => string[];
  /** Undefined when the file is not a whole record. */
  readonly read: (name: string) => Kept<T> | undefined;
  readonly removeFile: (name: string) => void;
}

/** Which record a mark is about: what is kept in which file. */
export type RecordKind = 'layers' | 'remoteLayers' | 'steps' | 'images' | 'names';

/** All that lies beside the index. */
export interface RecordFiles {
  /** Empties the notes; when the transaction is over. */
  readonly committed: () => void;
  /** Keeps them for the next process: the transaction was undone, and the files were not. */
  readonly undone: () => void;
  /** Removes them, unless they are kept; when the store is closed. */
  readonly close: () => void;
  readonly layers: RecordFolder<LayerRecord, LayerId>;
  readonly remoteLayers: RecordFolder<RemoteLayerRecord, LayerId>;
  readonly steps: RecordFolder<StepRecord, DefinitionKey>;
  readonly images: RecordFolder<ImageRecord, string>;
  readonly names: RecordFolder<NameRecord, string>;
}

/** How records of a kind are kept. */
interface Kind<T, K extends string> {
  readonly kind: RecordKind;
  readonly getKey: (record: T) => K;
  /** Name of a record's file, without what follows a dot. */
  readonly getName: (key: K) => string;
  readonly encode: (record: T) => unknown;
  readonly decode: (value: unknown) => T;
}

const plain = {
  encode: (record: unknown) => record,
  decode: (value: unknown) => value as never,
};

function encodeImage({ original, ...rest }: ImageRecord): unknown {
  if (!original) return rest;
  const { manifest, config, mediaType } = original;
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  return { ...rest, original: { mediaType, manifest: text(manifest), config: text(config) } };
}

function decodeImage(value: unknown): ImageRecord {
  const { original, ...rest } = value as Omit<ImageRecord, 'original'> & {
    original?: Record<string, string>;
  };
  if (!original) return rest;
  const bytes = (text = '') => new Uint8Array(Buffer.from(text, 'base64'));
  const decoded: OriginalImage = {
    mediaType: original.mediaType ?? '',
    manifest: bytes(original.manifest),
    config: bytes(original.config),
  };
  return { ...rest, original: decoded };
}

/** Beginning of a mark: it goes on with the kind and the name of the file. */
const MARK = 'record.';

/** Key of the mark in `unsynced` of a record, and a line of notes. */
export function recordMark(kind: RecordKind, file: string): string {
  return `${MARK}${kind}.${file}`;
}

/** What a mark is about; undefined when it is not that of a record. */
export function parseMark(
  mark: string,
): { readonly kind: RecordKind; readonly file: string } | undefined {
  if (!mark.startsWith(MARK)) return undefined;
  const [, kind, file] = mark.split('.');
  return { kind: kind as RecordKind, file: file ?? '' };
}

/** Where the records of each kind lie, and what follows their names. */
const PLACES: Readonly<Record<RecordKind, readonly [folder: string, suffix: string]>> = {
  // It comes and goes with the layer's directory.
  layers: ['layers', '/record.json'],
  remoteLayers: ['records/remote', '.json'],
  steps: ['records/entries', '.json'],
  images: ['records/images', '.json'],
  names: ['records/names', '.json'],
};

/** The file of a record, relative to the store. */
export function recordPath(kind: RecordKind, file: string): string {
  const [folder, suffix] = PLACES[kind];
  return `${folder}/${file}${suffix}`;
}

/** Beginning of the name of a process's notes in tmp/: it goes on with the id of the process. */
const NOTES = 'records.';

/** The marks in a process's notes; undefined when the name is not that of any. @param name in tmp/ */
export function readNotes(tmp: string, name: string): string[] | undefined {
  if (!name.startsWith(NOTES)) return undefined;
  try {
    return readFileSync(join(tmp, name), 'utf8').split('\n').filter(Boolean);
  } catch (error) {
    // Its process has closed the store meanwhile.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function recordFolder<T, K extends string>(
  { root, tmp, self, session }: StorePaths,
  kind: Kind<T, K>,
  onChange: OnChange,
): RecordFolder<T, K> {
  const folder = join(root, PLACES[kind.kind][0]);
  const getPath = (name: string) => join(root, recordPath(kind.kind, name));
  const path = (key: K) => getPath(kind.getName(key));
  const read = (file: string): Kept<T> | undefined => {
    try {
      const { written, record } = JSON.parse(readFileSync(file, 'utf8'));
      if (!hasShape(kind.kind, record) || typeof written?.at !== 'number') return undefined;
      return { written, record: kind.decode(record) };
    } catch {
      // Half of a file, after a power cut, counts as none.
      return undefined;
    }
  };
  const getText = (record: T) => JSON.stringify(kind.encode(record));
  const getContent = (record: T) => {
    const written: Written = { boot: session, at: sinceBoot() };
    return `{"written":${JSON.stringify(written)},"record":${getText(record)}}\n`;
  };
  const newDraft = () => join(tmp, `${randomName()}.${self.id}`);
  const writeNow = (record: T) => {
    const draft = newDraft();
    writeFileSync(draft, getContent(record));
    return draft;
  };
  return {
    path: folder,
    draft: writeNow,
    put(record, draft) {
      onChange(kind.kind, kind.getName(kind.getKey(record)));
      renameSync(draft ?? writeNow(record), path(kind.getKey(record)));
    },
    remove(key) {
      onChange(kind.kind, kind.getName(key));
      rmSync(path(key), { force: true });
    },
    holds(record) {
      const kept = read(path(kind.getKey(record)));
      return kept !== undefined && getText(kept.record) === getText(record);
    },
    markOf: (record) => recordMark(kind.kind, kind.getName(kind.getKey(record))),
    getName: kind.getName,
    names: () => {
      try {
        return readdirSync(folder).map((name) => name.replace(/\.json$/, ''));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
        throw error;
      }
    },
    read: (name) => {
      const kept = read(getPath(name));
      // A file that was renamed by hand is not what its name says.
      return kept && kind.getName(kind.getKey(kept.record)) === name ? kept : undefined;
    },
    removeFile: (name) => rmSync(getPath(name), { recursive: true, force: true }),
  };
}

/** A reader of the file has none of its trees, as if another machine had made it. */
function withoutOrigin({ imported: _, ...record }: StepRecord): unknown {
  return record;
}

/** The nodes of its tree are not kept: without them its digest says all there is to say. */
function withoutTree({ tree: _, ...record }: LayerRecord): unknown {
  return record;
}

/** Called before a file is written or removed, with what it is about. */
export type OnChange = (kind: RecordKind, file: string) => void;

/** The records beside the index of a store. */
export function recordFiles(paths: StorePaths, onChange: OnChange): RecordFiles {
  const { tmp, self } = paths;
  const notes = join(tmp, NOTES + self.id);
  let noted = false;
  let kept = false;
  const note: OnChange = (kind, file) => {
    appendFileSync(notes, `${recordMark(kind, file)}\n`);
    noted = true;
    onChange(kind, file);
  };
  return {
    committed: () => {
      // To make a file and to remove it costs more.
      if (noted && !kept) truncateSync(notes);
      noted = false;
    },
    undone: () => {
      kept ||= noted;
    },
    close: () => {
      if (!kept) rmSync(notes, { force: true });
    },
    layers: recordFolder<LayerRecord, LayerId>(
      paths,
      {
        kind: 'layers',
        getKey: ({ id }) => id,
        getName: (id) => id,
        encode: withoutTree,
        decode: plain.decode,
      },
      note,
    ),
    remoteLayers: recordFolder<RemoteLayerRecord, LayerId>(
      paths,
      { kind: 'remoteLayers', getKey: ({ id }) => id, getName: (id) => id, ...plain },
      note,
    ),
    steps: recordFolder<StepRecord, DefinitionKey>(
      paths,
      {
        kind: 'steps',
        getKey: ({ key }) => key,
        getName: (key) => key,
        encode: withoutOrigin,
        decode: plain.decode,
      },
      note,
    ),
    images: recordFolder<ImageRecord, string>(
      paths,
      {
        kind: 'images',
        getKey: ({ id }) => id,
        getName: (id) => id.replace(':', '-'),
        encode: encodeImage,
        decode: decodeImage,
      },
      note,
    ),
    names: recordFolder<NameRecord, string>(
      paths,
      {
        kind: 'names',
        getKey: ({ name }) => name,
        // A name has slashes, and may be longer than a file's.
        getName: (name) => sha256(name).slice(0, 32),
        ...plain,
      },
      note,
    ),
  };
}

/** Makes the folders of the records. */
export function makeRecordFolders({ records }: StorePaths): void {
  for (const name of ['remote', 'entries', 'images', 'names'])
    mkdirSync(join(records, name), { recursive: true, mode: 0o700 });
}

/** How far each boot of the machine has put everything on disk: ms since boot, by boot id. */
type SyncedBoots = Readonly<Record<string, number>>;

/** Boots that are remembered. */
const MOST_BOOTS = 1000;

function readSynced({ records }: StorePaths): SyncedBoots {
  try {
    return JSON.parse(readFileSync(join(records, 'synced.json'), 'utf8'));
  } catch {
    return {};
  }
}

/** Writes a file, or a directory's names, to disk. */
function flush(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Notes that everything that was written by a time of this boot is on disk; so is the note. */
export function noteSynced(paths: StorePaths, at: number): void {
  const boot = bootOf(paths.session);
  const others = Object.entries(readSynced(paths)).filter(([id]) => id !== boot);
  const boots = Object.fromEntries([...others.slice(1 - MOST_BOOTS), [boot, at]]);
  const draft = join(paths.tmp, `${randomName()}.${paths.self.id}`);
  writeFileSync(draft, `${JSON.stringify(boots)}\n`);
  flush(draft);
  renameSync(draft, join(paths.records, 'synced.json'));
  flush(paths.records);
}

/** Tells records of what is certainly on disk, or in the hands of the running kernel, from others. */
export function certainty(paths: StorePaths): (written: Written) => boolean {
  const synced = readSynced(paths);
  return ({ boot, at }) => isSameSession(boot, paths.session) || (synced[bootOf(boot)] ?? -1) > at;
}
