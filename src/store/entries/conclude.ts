/** The end of a build: what it used and what it made, in one transaction or in none. */

import type { DefinitionKey } from '../../keys/digest.js';
import { checkpoint } from '../../util/checkpoint.js';
import { isPublished, putImage } from '../images/store-images.js';
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import { write } from '../index/transaction.js';
import { LayersGoneError } from '../pins/uses.js';
import type { ImageRecord, LayerId } from '../records.js';
import { noteUses } from './use-notes.js';

/** What a build has come to. */
export interface Conclusion {
  /** Entries that were found. */
  readonly used: readonly DefinitionKey[];
  /** Layers of the result, bottom first. */
  readonly layers: readonly LayerId[];
  readonly image: ImageRecord;
  /** Names of the image; undefined: it is not kept. */
  readonly names: readonly string[] | undefined;
}

/**
 * Notes what a build used, and keeps its image. Entries were found without declaring any use (see
 * uses.ts): here their layers are looked for once more, in the transaction that makes the entries
 * recently used ones.
 * @returns the image, with the time it was first made
 * @throws LayersGoneError when another process removed what was found
 */
export function concludeBuild(store: Indexed, conclusion: Conclusion): ImageRecord {
  const index = getTables(store);
  const { used, layers, image, names } = conclusion;
  const verify = () => {
    const gone = layers.filter((id) => !index.layers.doesExist(id));
    if (gone.length > 0) throw new LayersGoneError(gone);
  };
  if (used.length === 0 && (names === undefined || isPublished(index, image.id, names))) {
    verify();
    return image;
  }
  const kept = write(index, () => {
    verify();
    noteUses(index, used);
    return names === undefined ? image : putImage(index, image, names);
  });
  checkpoint('usage:written');
  return kept;
}
