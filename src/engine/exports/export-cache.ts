/** Gives entries and layers of this store away (--cache-to, wiac cache export). */
import type { DefinitionKey } from '../../keys/digest.js';
import { isKeyed } from '../../keys/inputs.js';
import { ImageError, withHint } from '../../oci/image-error.js';
import type { Digest } from '../../oci/resolved-image.js';
import type { Plan } from '../../plan/plan.js';
import type { Step, StepId } from '../../plan/step.js';
import type { EntryList, ListedEntry, ListedLayer } from '../../shared-cache/entry-list.js';
import { LIST_VERSION, publicInputs } from '../../shared-cache/entry-list.js';
import type { MountPlace, OutgoingMounts } from '../../shared-cache/mounts/outgoing.js';
import { blobDescriptor } from '../../shared-cache/read-cache.js';
import type { MountSelection } from '../../shared-cache/spec.js';
import type { OutgoingLayer } from '../../shared-cache/write-cache.js';
import { describeArchive } from '../../store/blobs/diff-ids.js';
import { completeEntry, findByDefinition } from '../../store/entries/entries.js';
import { knownArchive } from '../../store/images/image-ids.js';
import {
  findLayer,
  findRemoteLayer,
  hasLayer,
  noteArchive,
} from '../../store/layers/find-layers.js';
import { getDiffId } from '../../store/layers/remote-layers.js';
import type { InlineCache, LayerId, StepRecord } from '../../store/records.js';
import type { Store } from '../../store/store.js';
import type { LayerReading } from '../build-session.js';
import { MissingLayersError } from '../images/needed-layers.js';
import type { LayerBlob } from '../layer-blob.js';
import { blobFor } from '../layer-blob.js';
import type { StepState } from '../lookup.js';
import { runContentKey } from '../lookup.js';
import { planMounts } from '../mounts/plan-mounts.js';
import { unmetered } from '../transfers.js';

/** What giving away needs of a build. */
export type ExportSession = LayerReading;

/** A list with the layers that go with it. */
export interface OutgoingCache {
  readonly list: EntryList;
  readonly layers: readonly OutgoingLayer[];
  readonly mounts: OutgoingMounts;
}

const NO_MOUNTS: OutgoingMounts = { taken: [], kept: [], dropped: new Set(), blobs: [] };

/** The list of layers while it grows. */
interface LayerTable {
  readonly rows: ListedLayer[];
  /** The layer's place, undefined for one without a diffID. */
  readonly place: (id: LayerId) => number | undefined;
}

function layerTable(
  { store }: ExportSession,
  blobs: ReadonlyMap<LayerId, LayerBlob>,
  diffIds: ReadonlyMap<LayerId, string>,
): LayerTable {
  const rows: ListedLayer[] = [];
  const places = new Map<LayerId, number>();
  return {
    rows,
    place: (id) => {
      const known = places.get(id);
      const blob = blobs.get(id);
      const diffId = blob?.diffId ?? diffIds.get(id) ?? getDiffId(store, id);
      if (known !== undefined || diffId === undefined) return known;
      const layerDigest = (findLayer(store, id) ?? findRemoteLayer(store, id))?.digest;
      places.set(id, rows.length);
      rows.push({
        diffId: diffId as Digest,
        ...(layerDigest === undefined ? {} : { layerDigest }),
        ...(blob?.newest === undefined ? {} : { newest: blob.newest }),
        ...(blob === undefined ? {} : { blob: blob.listed }),
      });
      return rows.length - 1;
    },
  };
}

function allPlaces(table: LayerTable, layers: readonly LayerId[]): number[] | undefined {
  const places = layers.map((id) => table.place(id)).filter((place) => place !== undefined);
  return places.length === layers.length ? places : undefined;
}

/** @returns undefined for an entry that no build could find */
function listEntry(table: LayerTable, record: StepRecord): ListedEntry | undefined {
  const base = allPlaces(table, record.base);
  const reads = record.readLayers.map((layers) => allPlaces(table, layers));
  const known = reads.filter((places) => places !== undefined);
  // A stage that is only copied from may never have been packed: its key stands for it.
  const parents = base && { base, reads: known.length === reads.length ? known : [] };
  const { key, contentKey, operation, inputs, created, durationMs } = record;
  const layer = record.layer === undefined ? undefined : table.place(record.layer);
  if (!parents && contentKey === undefined) return undefined;
  return {
    key,
    operation,
    inputs: publicInputs(inputs),
    created,
    durationMs,
    ...(contentKey === undefined ? {} : { contentKey }),
    ...(parents === undefined ? {} : { parents }),
    ...(record.reads === undefined ? {} : { reads: record.reads }),
    ...(layer === undefined ? {} : { layer }),
  };
}

/** Did a step make the layer? Those of base images are had from their registries. */
function isMade({ store }: ExportSession, id: LayerId): boolean {
  return (findLayer(store, id) ?? findRemoteLayer(store, id))?.key !== undefined;
}

/** What layers are called elsewhere, without keeping an archive of them. */
async function namesOf(
  { store, signal }: ExportSession,
  layers: readonly LayerId[],
): Promise<ReadonlyMap<LayerId, string>> {
  const names = new Map<LayerId, string>();
  for (const id of new Set(layers)) {
    signal.throwIfAborted();
    const known = getDiffId(store, id) ?? knownArchive(store, id)?.diffId;
    if (known !== undefined) names.set(id, known);
    else if (hasLayer(store, id)) {
      const archive = await describeArchive(store, id);
      noteArchive(store, id, archive);
      names.set(id, archive.diffId);
    }
  }
  return names;
}

/**
 * Packs the layers of entries and lists them. Entries whose layer is nowhere any more are left out.
 * @param needed further layers, which entries stand on: their own entries may be gone
 * @param bare entries that are listed without the files of their layers
 * @throws NoSpaceError
 */
export async function gatherCache(
  session: ExportSession,
  records: readonly StepRecord[],
  compression: 'gzip' | 'zstd',
  needed: Iterable<LayerId> = [],
  bare: readonly StepRecord[] = [],
): Promise<OutgoingCache> {
  const { meter = unmetered } = session;
  const blobs = new Map<LayerId, LayerBlob>();
  const own = records.flatMap(({ layer }) => layer ?? []);
  const below = [...needed].filter((id) => isMade(session, id));
  for (const layer of new Set([...own, ...below])) {
    session.signal.throwIfAborted();
    const blob = await blobFor(session, layer, compression);
    if (blob) blobs.set(layer, blob);
  }
  const diffIds = await namesOf(
    session,
    bare.flatMap(({ layer }) => layer ?? []),
  );
  const table = layerTable(session, blobs, diffIds);
  const complete = records.filter(({ layer }) => layer === undefined || blobs.has(layer));
  const named = bare.filter(({ layer }) => layer === undefined || diffIds.has(layer));
  const entries = [...complete, ...named]
    .map((record) => listEntry(table, record))
    .filter((entry) => entry !== undefined);
  const layers = [
    ...new Map([...blobs.values()].map((blob) => [blob.listed.digest, blob])).values(),
  ];
  return {
    list: { version: LIST_VERSION, layers: table.rows, entries },
    layers: layers.map(({ listed, open, isLost, replaces }) => ({
      descriptor: blobDescriptor(listed),
      open: meter('cache export', listed.digest, listed.size, open),
      ...(isLost === undefined ? {} : { isLost }),
      ...(replaces ? { replaces } : {}),
    })),
    mounts: NO_MOUNTS,
  };
}

/** The steps whose layers the result is made of. */
function resultSteps(plan: Plan): Step[] {
  const steps = new Map(plan.steps.map((step) => [step.id, step]));
  const chain: Step[] = [];
  for (let step = steps.get(plan.target); step; ) {
    chain.unshift(step);
    step = step.parent === undefined ? undefined : steps.get(step.parent);
  }
  return chain;
}

/** Entries made before their content key was of interest get it now: other machines look for it. */
async function withContentKey(
  session: ExportSession,
  step: Step,
  record: StepRecord,
): Promise<StepRecord> {
  if (step.kind !== 'run' || record.contentKey !== undefined) return record;
  const { operation, base, readLayers } = record;
  try {
    const contentKey = await runContentKey(session, step, operation, base, readLayers);
    completeEntry(session.store, record.key, contentKey);
    return { ...record, contentKey };
  } catch (error) {
    // Without the files below only the definition key can find it.
    if (error instanceof MissingLayersError) return record;
    throw error;
  }
}

/** The entries of a build's steps. */
async function buildEntries(
  session: ExportSession,
  steps: readonly Step[],
  states: ReadonlyMap<StepId, StepState>,
): Promise<StepRecord[]> {
  const records: StepRecord[] = [];
  for (const step of steps) {
    const key = isKeyed(step) ? states.get(step.id)?.key : undefined;
    const record = key === undefined ? undefined : findByDefinition(session.store, key);
    if (record) records.push(await withContentKey(session, step, record));
  }
  return records;
}

/** One `--cache-to`. */
export interface CacheTarget {
  readonly title: string;
  readonly mode: 'min' | 'max';
  readonly compression: 'gzip' | 'zstd';
  /** A failure is a warning only. */
  readonly ignoreError: boolean;
  /** What is written is added to what is there. */
  readonly merges: boolean;
  /** While a build runs it is written so often: ms from one time to the next. */
  readonly pauseMs: number;
  /** Grows with each build of a command: one for each platform, and all of them go to one place. */
  readonly gathered: {
    readonly records: Map<DefinitionKey, StepRecord>;
    /** Of those whose layers go with them. */
    readonly whole: Set<DefinitionKey>;
    /** Layers of the results. */
    readonly layers: Set<LayerId>;
  };
  /** Which cache mounts go with it, and what the place has of them; undefined: none. */
  readonly mounts:
    | { readonly selection: MountSelection; readonly open: () => Promise<MountPlace> }
    | undefined;
  /**
   * Writes the cache somewhere, or gives it back for the image itself.
   * @param store notes which blobs the place has
   * @throws ImageError
   */
  readonly write: (cache: OutgoingCache, store: Store) => Promise<InlineCache | undefined>;
  /** Ends its connections, and with them what is being written. */
  readonly abandon: () => Promise<void>;
}

/** Snapshots of the cache mounts that the build's steps ask for. */
async function buildMounts(
  session: ExportSession,
  plan: Plan,
  states: ReadonlyMap<StepId, StepState>,
  { mounts, compression }: CacheTarget,
  warn: (message: string) => void,
): Promise<OutgoingMounts> {
  if (!mounts) return NO_MOUNTS;
  const { gatherMounts } = await import('../mounts/gather-mounts.js');
  const place = await mounts.open();
  try {
    const wanted = planMounts(session.store, plan, states);
    const { selection } = mounts;
    const gathered = await gatherMounts(
      { ...session, warn },
      wanted,
      selection,
      place,
      compression,
    );
    const { meter = unmetered } = session;
    const metered = gathered.blobs.map(({ descriptor, open }) => {
      const { digest, size } = descriptor;
      return { descriptor, open: meter('cache export', digest, size, open) };
    });
    return { ...gathered, blobs: metered };
  } finally {
    await place.close();
  }
}

/**
 * Writes the caches of a build, one after the other.
 * @returns what goes into the image itself
 * @throws ImageError, NoSpaceError
 */
export async function exportCache(
  session: ExportSession,
  plan: Plan,
  states: ReadonlyMap<StepId, StepState>,
  targets: readonly CacheTarget[],
  warn: (message: string) => void,
): Promise<InlineCache | undefined> {
  let inline: InlineCache | undefined;
  for (const target of targets) {
    const { title, mode, compression, ignoreError, gathered, write } = target;
    for (const record of await buildEntries(session, plan.steps, states))
      gathered.records.set(record.key, record);
    const result = new Set(resultSteps(plan).flatMap(({ id }) => states.get(id)?.key ?? []));
    for (const key of mode === 'min' ? result : gathered.records.keys()) gathered.whole.add(key);
    for (const id of states.get(plan.target)?.layers ?? []) gathered.layers.add(id);
    try {
      const records = [...gathered.records.values()];
      const [whole, bare] = [true, false].map((wanted) =>
        records.filter(({ key }) => gathered.whole.has(key) === wanted),
      ) as [StepRecord[], StepRecord[]];
      const cache = await gatherCache(session, whole, compression, gathered.layers, bare);
      const mounts = await buildMounts(session, plan, states, target, warn);
      inline = (await write({ ...cache, mounts }, session.store)) ?? inline;
    } catch (error) {
      if (!ignoreError || !(error instanceof ImageError)) throw error;
      warn(`the cache ${title} was not written: ${withHint(error)}`);
    }
  }
  return inline;
}
