/** The findings of `wiac cache verify`, and their repairs. */

import type { DefinitionKey } from '../../keys/digest.js';
import type { LayerId } from '../records.js';

/** Tables of look-up rows that can go one by one. */
export type RowTable =
  | 'contents'
  | 'operations'
  | 'usage'
  | 'names'
  | 'diffIds'
  | 'unsynced'
  | 'trees'
  | 'directories';

/** How a finding is put right. Whatever is dropped is made or fetched again when it is needed. */
export type Repair =
  | { readonly action: 'drop-layer'; readonly layer: LayerId }
  | { readonly action: 'drop-entry'; readonly key: DefinitionKey }
  | { readonly action: 'drop-image'; readonly image: string }
  | { readonly action: 'drop-blob'; readonly digest: string }
  | { readonly action: 'drop-row'; readonly table: RowTable; readonly key: string }
  | { readonly action: 'link'; readonly layer: LayerId }
  | { readonly action: 'remove'; readonly path: string }
  /** Writes or removes a file beside the index. */
  | { readonly action: 'write-record'; readonly write: () => void };

/** One thing that is not as it should be. */
export interface Finding {
  /** damage could give a wrong result or an error; garbage only takes space. */
  readonly severity: 'damage' | 'garbage';
  readonly subject: 'layer' | 'entry' | 'image' | 'blob' | 'row' | 'record' | 'file';
  /** Id, key, digest, path, or table and key. */
  readonly id: string;
  readonly problem: string;
  readonly repair: Repair;
}
