/**
 * What becomes of a shared cache when another job writes to it: entries of both stay, as many and for as
 * long as its bounds say. Pure.
 */
import type { Digest } from '../oci/resolved-image.js';
import type { EntryList, ListedBlob, ListedEntry, ListedLayer } from './entry-list.js';
import { LIST_VERSION } from './entry-list.js';
import type { ListedMount } from './mounts/snapshot.js';

/** How much a shared cache keeps. */
export interface ListBounds {
  /** Entries that were used last stay. */
  readonly maxEntries: number;
  /** Entries that were not used for so many days go. */
  readonly maxAgeDays: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** Days since the epoch: of a use nobody needs to know more, and a list is written for it once a day. */
export function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS);
}

/** When an entry was last used; lists of former versions don't say. */
function usedAt({ used, created }: ListedEntry): number {
  return used ?? dayOf(created);
}

/** Clocks differ, and midnight passes: so many days from now are believed. */
const SKEW_DAYS = 2;

/**
 * A list that says nothing of a time to come: a job whose clock is wrong, or who means ill, would keep its
 * entries for ever, and crowd out those of all others. When something was made then is not known.
 */
export function withoutFuture(list: EntryList, today: number): EntryList {
  const last = today + SKEW_DAYS;
  const past = <T extends { readonly created: number }>(row: T): T =>
    dayOf(row.created) > last ? { ...row, created: 0 } : row;
  const { mounts } = list;
  return {
    ...list,
    entries: list.entries.map((entry) => {
      const { used } = entry;
      return past(used !== undefined && used > last ? { ...entry, used: today } : entry);
    }),
    ...(mounts === undefined ? {} : { mounts: mounts.map(past) }),
  };
}

/** Notes that all entries of a list were used. */
export function notingUse(list: EntryList, today: number): EntryList {
  return { ...list, entries: list.entries.map((entry) => ({ ...entry, used: today })) };
}

/** The layers of two lists by their diffID, each once. */
function joinLayers(lists: readonly EntryList[]): {
  readonly rows: ListedLayer[];
  /** The place of a list's layer among them. */
  readonly place: (list: EntryList, at: number) => number;
} {
  const rows: ListedLayer[] = [];
  const places = new Map<string, number>();
  for (const { layers } of lists) {
    for (const layer of layers) {
      const known = places.get(layer.diffId);
      if (known === undefined) {
        places.set(layer.diffId, rows.length);
        rows.push(layer);
        continue;
      }
      // One job knows a layer's digest, another one has its blob.
      rows[known] = { ...layer, ...rows[known] } as ListedLayer;
    }
  }
  const place = ({ layers }: EntryList, at: number) => places.get(layers[at]?.diffId ?? '') ?? 0;
  return { rows, place };
}

function moved(entry: ListedEntry, place: (at: number) => number): ListedEntry {
  const { parents, layer } = entry;
  return {
    ...entry,
    ...(layer === undefined ? {} : { layer: place(layer) }),
    ...(parents === undefined
      ? {}
      : {
          parents: {
            base: parents.base.map(place),
            reads: parents.reads.map((read) => read.map(place)),
          },
        }),
  };
}

/** The same list in one order, whoever wrote it, without layers that no entry mentions. */
function inOrder(list: EntryList): EntryList {
  const wanted = new Set<number>();
  for (const { layer, parents } of list.entries) {
    if (layer !== undefined) wanted.add(layer);
    for (const at of [...(parents?.base ?? []), ...(parents?.reads.flat() ?? [])]) wanted.add(at);
  }
  const diffIdAt = (at: number) => list.layers[at]?.diffId ?? '';
  const kept = [...wanted].sort((a, b) => (diffIdAt(a) < diffIdAt(b) ? -1 : 1));
  const places = new Map(kept.map((at, index) => [at, index]));
  const layers = kept.flatMap((at) => list.layers[at] ?? []);
  const entries = list.entries
    .map((entry) => moved(entry, (at) => places.get(at) ?? 0))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  return { ...list, layers, entries };
}

/** Leaves out what is too old or too much. Layers that only such entries had go with them. */
export function boundList(list: EntryList, bounds: ListBounds, today: number): EntryList {
  const young = list.entries.filter((entry) => today - usedAt(entry) <= bounds.maxAgeDays);
  const byUse = [...young].sort((a, b) => usedAt(b) - usedAt(a) || b.created - a.created);
  const kept = new Set(byUse.slice(0, bounds.maxEntries).map(({ key }) => key));
  if (kept.size === list.entries.length) return list;
  return inOrder({ ...list, entries: list.entries.filter(({ key }) => kept.has(key)) });
}

/** A list without some snapshots of cache mounts. @param dropped digests of their lists of files */
export function withoutMounts(list: EntryList, dropped: ReadonlySet<Digest>): EntryList {
  const { mounts = [], ...rest } = list;
  const kept = mounts.filter(({ files }) => !dropped.has(files.digest));
  if (kept.length === mounts.length) return list;
  return kept.length === 0 ? rest : { ...rest, mounts: kept };
}

/** Was it taken after the other one? Both jobs must say the same, or they would write in turn for ever. */
function isNewer(a: ListedMount, b: ListedMount): boolean {
  return a.created === b.created ? a.files.digest > b.files.digest : a.created > b.created;
}

/** Of a mount that two jobs have written at once the last snapshot stays, whoever writes last. */
function joinMounts(own: readonly ListedMount[], there: readonly ListedMount[]): ListedMount[] {
  const joined = new Map(own.map((mount) => [mount.name, mount]));
  for (const mount of there) {
    const known = joined.get(mount.name);
    if (!known || isNewer(mount, known)) joined.set(mount.name, mount);
  }
  return [...joined.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * A list with the entries of two. Of an entry that both have, the one that was made last counts.
 * The order of its rows does not depend on who merged what first.
 * @param own of the job that writes
 * @param there what the place has
 */
export function mergeLists(own: EntryList, there: EntryList): EntryList {
  const { rows, place } = joinLayers([own, there]);
  const entries = new Map(
    own.entries.map((entry) => [entry.key, moved(entry, (at) => place(own, at))]),
  );
  for (const entry of there.entries) {
    const other = moved(entry, (at) => place(there, at));
    const known = entries.get(entry.key);
    if (known === undefined) {
      entries.set(entry.key, other);
      continue;
    }
    const newest = other.created > known.created ? other : known;
    const uses = [known.used, other.used].filter((used) => used !== undefined);
    entries.set(entry.key, uses.length === 0 ? newest : { ...newest, used: Math.max(...uses) });
  }
  const mounts = joinMounts(own.mounts ?? [], there.mounts ?? []);
  return inOrder({
    version: LIST_VERSION,
    layers: rows,
    entries: [...entries.values()],
    ...(mounts.length === 0 ? {} : { mounts }),
  });
}

/** Entries stay when the files of their layers are gone: they are found, and run again when needed. */
export function withoutBlobs(list: EntryList, gone: ReadonlySet<string>): EntryList {
  if (gone.size === 0) return list;
  const layers = list.layers.map((layer) => {
    const { blob, ...rest } = layer;
    return blob && gone.has(blob.digest) ? rest : layer;
  });
  const isWhole = ({ files, packs }: ListedMount) =>
    [files, ...packs].every(({ digest }) => !gone.has(digest));
  const { mounts, ...others } = list;
  const whole = mounts?.filter(isWhole) ?? [];
  return { ...others, layers, ...(whole.length === 0 ? {} : { mounts: whole }) };
}

/** Nothing yet. */
export const EMPTY_LIST: EntryList = { version: LIST_VERSION, layers: [], entries: [] };

/** All blobs of layers that a list names, each once. */
export function listedBlobs({ layers }: EntryList): ListedBlob[] {
  const blobs = layers.flatMap(({ blob }) => blob ?? []);
  return [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
}
