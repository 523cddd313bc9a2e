/**
 * The index: typed access to the lmdb environment in `index/`. Readers never block; writers of
 * all processes take turns by lmdb's own lock.
 */

import type { Database, RootDatabase } from 'lmdb';
import { open } from 'lmdb';
import type { DirectoryRecord, EntryFingerprints } from '../context/fingerprint.js';
import type { ContentKey, DefinitionKey, OperationDigest, TreeDigest } from '../keys/digest.js';
import type {
  DownloadRecord,
  ImageRecord,
  LayerId,
  LayerRecord,
  LeaseRecord,
  RemoteLayerRecord,
  StepRecord,
  UsageRecord,
} from './records.js';

/** The databases of the index by name; keys and values as in cache-format.md. */
export interface CacheIndex {
  readonly environment: RootDatabase;
  readonly steps: Database<StepRecord, DefinitionKey>;
  /** Definition keys of entries by content key. */
  readonly contents: Database<DefinitionKey, ContentKey>;
  /** Definition keys of entries by operation, the newest first. */
  readonly operations: Database<readonly DefinitionKey[], OperationDigest>;
  readonly usage: Database<UsageRecord, DefinitionKey>;
  readonly layers: Database<LayerRecord, LayerId>;
  /** Layers that entries refer to and whose files are not on this machine. */
  readonly remoteLayers: Database<RemoteLayerRecord, LayerId>;
  /** Layers by the digest of their uncompressed archive (`sha256:...`), where it is known. */
  readonly diffIds: Database<LayerId, string>;
  /** What servers said of files that ADD fetched, by URL. */
  readonly downloads: Database<DownloadRecord, string>;
  readonly trees: Database<string, TreeDigest>;
  readonly directories: Database<DirectoryRecord, string>;
  readonly entries: Database<EntryFingerprints, string>;
  readonly images: Database<ImageRecord, string>;
  /** Image ids by name. */
  readonly names: Database<string, string>;
  readonly leases: Database<LeaseRecord, string>;
}

/** Opens (and if need be makes) the index. */
export function openIndex(path: string, readOnly: boolean): CacheIndex {
  const environment = open({ path, maxDbs: 32, readOnly, noSubdir: false });
  return {
    environment,
    steps: environment.openDB({ name: 'steps' }),
    contents: environment.openDB({ name: 'contents', encoding: 'string' }),
    operations: environment.openDB({ name: 'operations' }),
    usage: environment.openDB({ name: 'usage' }),
    layers: environment.openDB({ name: 'layers' }),
    remoteLayers: environment.openDB({ name: 'remoteLayers' }),
    diffIds: environment.openDB({ name: 'diffIds', encoding: 'string' }),
    downloads: environment.openDB({ name: 'downloads' }),
    trees: environment.openDB({ name: 'trees', encoding: 'string' }),
    directories: environment.openDB({ name: 'directories' }),
    entries: environment.openDB({ name: 'entries' }),
    images: environment.openDB({ name: 'images' }),
    names: environment.openDB({ name: 'names', encoding: 'string' }),
    leases: environment.openDB({ name: 'leases' }),
  };
}
