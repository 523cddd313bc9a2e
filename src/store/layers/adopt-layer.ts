/**
 * Layers that another program keeps, such as those of podman: the store has a symbolic link to
 * them and a record, and never their files.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { measureTree } from '../../fs/layer/disk-usage.js';
import { removeTree } from '../../fs/remove-tree.js';
import type { InPlaceLayer } from '../../oci/in-place.js';
import { StoreError } from '../../util/errors.js';
import { getTables } from '../index/tables.js';
import { refresh, write } from '../index/transaction.js';
import { declareUse, LayersGoneError } from '../pins/uses.js';
import type { LayerId, LayerRecord } from '../records.js';
import { layerMark, markUnsynced } from '../recovery/durability.js';
import type { Store } from '../store.js';
import { findLayer } from './find-layers.js';
import {
  announceRemoval,
  layerIdFrom,
  layerLink,
  layerLinkTarget,
  layerPath,
} from './layer-store.js';

/** The id that such a layer has in every store: made from its path and its diffID. */
export function adoptedId({ path, identity }: InPlaceLayer): LayerId {
  return layerIdFrom(createHash('sha256').update(`${path}\0${identity}`).digest());
}

function link(target: string, path: string): void {
  try {
    symlinkSync(target, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Makes the links, which a sweep may have removed meanwhile. They are the same each time. */
function linkLayer({ paths }: Store, id: LayerId, target: string): void {
  const path = layerPath(paths, id);
  mkdirSync(join(path, '..'), { recursive: true });
  link(target, path);
  link(layerLinkTarget(id), layerLink(paths, id));
}

/**
 * Makes a layer known to the store; does nothing when it is.
 * @throws whatever reading its directories throws
 */
export function adoptLayer(store: Store, layer: InPlaceLayer): LayerId {
  const { paths } = store;
  const index = getTables(store);
  const id = adoptedId(layer);
  if (index.layers.doesExist(id)) {
    linkLayer(store, id, layer.path);
    return id;
  }
  const record: LayerRecord = {
    id,
    key: undefined,
    created: Date.now(),
    ...measureTree(layer.path),
    // It takes no space of ours.
    disk: 0,
    opaque: undefined,
    digest: undefined,
    tree: undefined,
    external: layer.path,
  };
  // After a crash the next sweep finds this and removes the links (sweep.ts).
  const note = announceRemoval(paths, id);
  linkLayer(store, id, layer.path);
  write(index, () => {
    if (index.layers.doesExist(id)) return;
    index.files.layers.put(record);
    index.layers.putSync(id, record);
    markUnsynced(index, layerMark(id));
    declareUse(index, { layers: [id] });
  });
  removeTree(note);
  return id;
}

/** Is a layer there, with its files? Those that another program keeps may go at any time. */
export function isPresent(store: Store, id: LayerId): boolean {
  const { paths } = store;
  const record = findLayer(store, id);
  if (!record) return false;
  const path = record.external ?? layerPath(paths, id);
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/**
 * @param what the thing that needs these layers, for the message
 * @throws LayersGoneError when another process removed one; StoreError that says which directory is
 *   gone, and who had it
 */
export function requirePresent(store: Store, ids: readonly LayerId[], what: string): void {
  const gone = ids.find((id) => !isPresent(store, id));
  if (gone === undefined) return;
  refresh(getTables(store));
  if (!getTables(store).layers.doesExist(gone)) throw new LayersGoneError([gone]);
  const { external } = getTables(store).layers.get(gone) ?? {};
  const path = external ?? layerPath(store.paths, gone);
  throw new StoreError(`the directory ${path}, which ${what} needs, is gone`, {
    hint:
      external === undefined
        ? 'wiac cache verify --repair removes damaged entries; then build or pull again'
        : 'pull or build its image again with podman or buildah',
  });
}
