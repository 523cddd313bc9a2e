/** The end of a build: what it used and what it made, in one transaction or in none. */

import type { DefinitionKey } from '../../keys/digest.js';
import { checkpoint } from '../../util/checkpoint.js';
import { isPublished, putImage } from '../images/store-images.js';
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import { write } from '../index/transaction.js';
import { declareUse, LayersGoneError, noteUsed } from '../pins/uses.js';
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
  /** Outputs are going to read the layers: they are in use until this process ends. */
  readonly outputs: boolean;
}

/**
 * Notes what a build used, and keeps its image. Entries were found without declaring any use (see
 * uses.ts): here their layers are looked for once more, in the transaction that makes the entries
 * recently used ones. To put them in use would make a build that found everything wait for the disk: only those of
 * outputs are, which would do so in any case.
 * @returns the image, with the time it was first made
 * @throws LayersGoneError when another process removed what was found
 */
export function concludeBuild(store: Indexed, conclusion: Conclusion): ImageRecord {
  const index = getTables(store);
  const { used, layers, image, names, outputs } = conclusion;
  const verify = () => {
    const gone = layers.filter((id) => !index.layers.doesExist(id));
    if (gone.length > 0) throw new LayersGoneError(gone);
  };
  const isKept = names === undefined || isPublished(index, image.id, names);
  const isInUse = !outputs || layers.every((id) => index.used.has(id));
  if (used.length === 0 && isKept && isInUse) {
    verify();
    return image;
  }
  const kept = write(index, () => {
    verify();
    if (outputs) declareUse(index, { layers });
    noteUses(index, used);
    return names === undefined ? image : putImage(index, image, names);
  });
  if (outputs) noteUsed(index, layers);
  checkpoint('usage:written');
  return kept;
}
