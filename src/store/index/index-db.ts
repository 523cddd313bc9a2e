/**
 * The index: typed access to the lmdb environment in `index/`. Readers never block; writers of
 * all processes take turns by lmdb's own lock.
 */

import { existsSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { open } from 'lmdb';
import type { DirectoryRecord, EntryFingerprints } from '../../fs/scan/fingerprint.js';
import type {
  ContentKey,
  DefinitionKey,
  LayerDigest,
  OperationDigest,
  TreeDigest,
} from '../../keys/digest.js';
import type { TimelineKey } from '../entries/timeline.js';
import type { StorePaths } from '../paths.js';
import type { Lease } from '../pins/lease.js';
import type { LeaseLinks } from '../pins/lease-links.js';
import { leaseLinks } from '../pins/lease-links.js';
import type { LiveProcess } from '../pins/live-process.js';
import type {
  DownloadRecord,
  ImageRecord,
  KeptManifest,
  KeptSignature,
  LayerId,
  LayerRecord,
  MountRecord,
  RemoteLayerRecord,
  StepRecord,
  UsageRecord,
  UseRecord,
} from '../records.js';
import type { Session } from '../recovery/session.js';
import type { NewestTransaction } from './newest-transaction.js';
import { newestTransaction } from './newest-transaction.js';
import type { OnChange, RecordFiles } from './record-files.js';
import { recordFiles, recordMark } from './record-files.js';
import type { StoreIndex } from './tables.js';
import { fileIdentity } from './transaction.js';

/** The databases of the index by name; keys and values as in cache-format.md. */
export interface CacheIndex extends StoreIndex {
  /** The process that has it open. */
  readonly self: LiveProcess;
  readonly session: Session;
  /** Nobody may look into it any more. */
  closed: boolean;
  /** The file, and which one it was when it was opened: see transaction.ts. */
  readonly file: string;
  readonly identity: string;
  /** The same as files: each write to steps, layers, remoteLayers, images and names writes them too. */
  readonly files: RecordFiles;
  /** The leases of all processes. */
  readonly leases: LeaseLinks;
  /** Those that this process holds, by key: see lease.ts. */
  readonly held: Map<string, Lease>;
  /** Layers that this process has declared as used, as far as it remembers: see uses.ts. */
  readonly used: Set<LayerId>;
  /** Layers that this process alone knows of: see unpublished.ts. */
  readonly unpublished: Map<LayerId, LayerRecord>;
  /** Of layers whose other files are on disk: the files that may not be. See own-sync.ts. */
  readonly fresh: Map<LayerId, readonly string[]>;
  /** Layers that this process is digesting: see layer-digests.ts. */
  readonly digesting: Map<LayerId, Promise<LayerDigest>>;
  readonly environment: RootDatabase;
  /** What each write transaction asks first. */
  readonly newest: NewestTransaction;
  readonly steps: Database<StepRecord, DefinitionKey>;
  /** Definition keys of entries by content key. */
  readonly contents: Database<DefinitionKey, ContentKey>;
  /** Definition keys of entries by operation, the newest first. */
  readonly operations: Database<readonly DefinitionKey[], OperationDigest>;
  /** Definition keys by instruction and by place, newest first: see related.ts. */
  readonly related: Database<readonly DefinitionKey[], string>;
  /** Entries by when they were made: see timeline.ts. */
  readonly timeline: Database<string, TimelineKey>;
  /** Digests of images by the key that stands for them. */
  readonly sources: Database<string, DefinitionKey>;
  readonly usage: Database<UsageRecord, DefinitionKey>;
  readonly layers: Database<LayerRecord, LayerId>;
  /** Layers that entries refer to and whose files are not on this machine. */
  readonly remoteLayers: Database<RemoteLayerRecord, LayerId>;
  /** Layers by the digest of their uncompressed archive (`sha256:...`), where it is known. */
  readonly diffIds: Database<LayerId, string>;
  /** Headers of servers for files that ADD fetched, by URL. */
  readonly downloads: Database<DownloadRecord, string>;
  /** Manifests and configs of images in registries, by the digest of the manifest. */
  readonly manifests: Database<KeptManifest, string>;
  /** Signatures of images by the digest of what they signed: see kept-signatures.ts. */
  readonly signatures: Database<readonly KeptSignature[], string>;
  readonly trees: Database<string, TreeDigest>;
  readonly directories: Database<DirectoryRecord, string>;
  readonly entries: Database<EntryFingerprints, string>;
  readonly images: Database<ImageRecord, string>;
  /** Image ids by name. */
  readonly names: Database<string, string>;
  /** Sessions of layers and blobs that are not certainly on disk; see durability.ts. */
  readonly unsynced: Database<Session, string>;
  /** What running processes use, by their identity. */
  readonly uses: Database<UseRecord, string>;
  /** Cache mounts by the name of their directory in mounts/. */
  readonly mounts: Database<MountRecord, string>;
  /** Running totals by name, in bytes. */
  readonly totals: Database<number, string>;
}

/** More than lmdb asks for with 512 readers; what is left are further readers. Bytes. */
const LOCK_BYTES = 36_864;
/** More than an index without entries has. Bytes. */
const DATA_BYTES = 32_768;

/**
 * lmdb makes lock.mdb by its length alone, and writes to it by a mapping: where no room is left then, as on a small tmpfs, the
 * kernel ends the process. Nor does lmdb-js live on when there is none for the first pages of data.mdb. lmdb takes a lock.mdb
 * that is there.
 * @throws ENOSPC, EDQUOT
 */
function takeRoom(path: string): void {
  const lock = join(path, 'lock.mdb');
  // Others may have it mapped.
  if (existsSync(lock)) return;
  writeFileSync(lock, Buffer.alloc(LOCK_BYTES + DATA_BYTES));
  truncateSync(lock, LOCK_BYTES);
}

/** lmdb's environment alone. lmdb commits as it always did (no overlappingSync, which lmdb-js adds). */
export function openEnvironment(path: string): RootDatabase {
  return open({ path, maxDbs: 32, maxReaders: 512, noSubdir: false, overlappingSync: false });
}

function openTables(paths: StorePaths, environment: RootDatabase, file: string): CacheIndex {
  const unsynced: Database<Session, string> = environment.openDB({
    name: 'unsynced',
    encoding: 'string',
  });
  // Not certainly on disk: see durability.ts.
  const onChange: OnChange = (kind, name) =>
    unsynced.putSync(recordMark(kind, name), paths.session);
  const tables: Omit<CacheIndex, '__brand'> = {
    self: paths.self,
    session: paths.session,
    closed: false,
    file,
    identity: fileIdentity(file),
    files: recordFiles(paths, onChange),
    leases: leaseLinks(paths.leases),
    held: new Map(),
    used: new Set(),
    unpublished: new Map(),
    fresh: new Map(),
    digesting: new Map(),
    environment,
    newest: newestTransaction(environment, dirname(file)),
    steps: environment.openDB({ name: 'steps' }),
    contents: environment.openDB({ name: 'contents', encoding: 'string' }),
    operations: environment.openDB({ name: 'operations' }),
    related: environment.openDB({ name: 'related' }),
    sources: environment.openDB({ name: 'sources', encoding: 'string' }),
    timeline: environment.openDB({ name: 'timeline', encoding: 'string' }),
    usage: environment.openDB({ name: 'usage' }),
    layers: environment.openDB({ name: 'layers' }),
    remoteLayers: environment.openDB({ name: 'remoteLayers' }),
    diffIds: environment.openDB({ name: 'diffIds', encoding: 'string' }),
    downloads: environment.openDB({ name: 'downloads' }),
    manifests: environment.openDB({ name: 'manifests' }),
    signatures: environment.openDB({ name: 'signatures' }),
    trees: environment.openDB({ name: 'trees', encoding: 'string' }),
    directories: environment.openDB({ name: 'directories' }),
    entries: environment.openDB({ name: 'entries' }),
    images: environment.openDB({ name: 'images' }),
    names: environment.openDB({ name: 'names', encoding: 'string' }),
    unsynced,
    uses: environment.openDB({ name: 'uses' }),
    mounts: environment.openDB({ name: 'mounts' }),
    totals: environment.openDB({ name: 'totals' }),
  };
  return tables as CacheIndex;
}

/**
 * Opens (and if need be makes) the index; the caller has the index lock. A transaction is on disk
 * when it ends.
 * @param path of its directory
 */
export function openIndex(paths: StorePaths, path = paths.index): CacheIndex {
  const file = join(path, 'data.mdb');
  const isNew = !existsSync(file);
  if (isNew) takeRoom(path);
  const environment = openEnvironment(path);
  const tables = () => openTables(paths, environment, file);
  // Each table of a new index would be a transaction of its own, which waits for the disk.
  return isNew ? environment.transactionSync(tables) : tables();
}
