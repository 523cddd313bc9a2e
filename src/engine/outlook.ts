/**
 * What the cache says of a step before anything is carried out: from its definition key alone, which
 * needs the keys of the steps below and beside it, not their layers. A step that is found needs
 * nothing of them; only one that is not found asks for them (scheduler.ts).
 */
import type { DefinitionKey } from '../keys/digest.js';
import type { KeyedStep } from '../keys/inputs.js';
import { sourceKey } from '../keys/inputs.js';
import type { SourceStep, Step, StepId } from '../plan/step.js';
import { findByDefinition, publishEntry } from '../store/entries/entries.js';
import { noteImage } from '../store/entries/related.js';
import { adoptLayer, requirePresent } from '../store/layers/adopt-layer.js';
import { isKnownLayer } from '../store/layers/remote-layers.js';
import type { LayerId, StepRecord } from '../store/records.js';
import type { LookupSession } from './build-session.js';
import { imageLayers } from './images/needed-layers.js';
import type { PlanImage } from './images/plan-images.js';
import type { KeyedInputs, KnownParent } from './lookup.js';
import { keyStep, NOTHING } from './lookup.js';
import type { Ground } from './stale.js';
import { groundOfEntry, groundOfUnknown, isOffGround, isStale, NO_GROUND } from './stale.js';

/** A step as the cache knows it. */
export interface Outlook {
  /** The key of the step that made its file system; undefined for scratch, and if it has none yet. */
  readonly key: DefinitionKey | undefined;
  readonly maker: StepId | undefined;
  /** Its layers, bottom first; undefined when it has to be resolved to know them. */
  readonly layers: readonly LayerId[] | undefined;
  /** Undefined for steps that make no layer, and where the files that it takes can't be read. */
  readonly keyed: KeyedInputs | undefined;
  /** Its entry, which is used as it is. */
  readonly record: StepRecord | undefined;
  /**
   * It has to be resolved before anything that follows it can be found: it is to be run in any case,
   * or its entry was made on layers that were made again since. A step that is only unknown does not
   * stand in the way of those that follow: the cache may have forgotten it, or never got it.
   */
  readonly inTheWay: boolean;
  /** What is sure of its layers, also when they are not all known. */
  readonly ground: Ground;
}

/** The layers that a stage begins with; a stage that only hits follow needs none of their files. */
export function sourceOutlook(session: LookupSession, step: SourceStep): Outlook {
  const image = session.images.get(step);
  const rest = { keyed: undefined, record: undefined, inTheWay: false };
  if (step.digest === undefined || !image) return { ...NOTHING, ...rest, ground: NO_GROUND };
  const key = sourceKey(step.digest);
  const { store } = session;
  noteImage(store, key, step.digest);
  const layers = sourceLayers(session, step, image);
  return { ...rest, key, maker: step.id, layers, ground: { ...NO_GROUND, floor: layers } };
}

function sourceLayers(
  session: LookupSession,
  { reference }: SourceStep,
  image: PlanImage,
): readonly LayerId[] {
  const { store } = session;
  if ('stored' in image) {
    requirePresent(store, image.stored.layers, `the image ${reference}`);
    return image.stored.layers;
  }
  if ('inPlace' in image) return image.inPlace.layers.map((layer) => adoptLayer(store, layer));
  return imageLayers(session, image);
}

/** A step that has to be resolved before anything that follows it can be found. */
export function openOutlook({ id: maker }: Step, keyed: KeyedInputs | undefined): Outlook {
  const open = { layers: undefined, record: undefined, inTheWay: true, ground: NO_GROUND };
  return { ...open, key: keyed?.key, maker, keyed };
}

/** A step whose own files can't be read. */
function isUnreadable({ inTheWay, keyed }: Outlook): boolean {
  return inTheWay && keyed === undefined;
}

/** All layers of the step's file system are here or can be fetched. */
function hasBase({ store }: LookupSession, { base }: StepRecord): boolean {
  return base.every((id) => isKnownLayer(store, id));
}

/** An entry of this store or, where that has none, of a shared cache, which is kept then. */
async function findEntry(
  session: LookupSession,
  keyed: KeyedInputs,
  parents: readonly KnownParent[],
): Promise<StepRecord | undefined> {
  const known = findByDefinition(session.store, keyed.key);
  if (known) return known;
  const shared = await session.sharedCache?.definition(keyed, parents);
  if (!shared || isStale(shared, parents)) return undefined;
  publishEntry(session.store, shared, undefined);
  return shared;
}

/**
 * Looks a step up by its definition key.
 * @param parents the outlooks of the steps below and beside it
 */
export async function keyedOutlook(
  session: LookupSession,
  step: KeyedStep,
  parents: readonly Outlook[],
): Promise<Outlook> {
  // Without the keys of all parents it has none.
  if (parents.some(isUnreadable)) return openOutlook(step, undefined);
  let keyed: KeyedInputs;
  try {
    keyed = await keyStep(session, step, parents);
  } catch (error) {
    if (session.signal.aborted) throw error;
    // What is wrong is said when the step is resolved: what comes before it may have more to say.
    return openOutlook(step, undefined);
  }
  if (session.skipsCache(step) || parents.some(({ inTheWay }) => inTheWay))
    return openOutlook(step, keyed);
  const grounds = parents.map(({ ground }) => ground);
  const record = await findEntry(session, keyed, parents);
  const found = { key: keyed.key, maker: step.id, keyed, record, inTheWay: false };
  if (!record) return { ...found, layers: undefined, ground: groundOfUnknown(step, grounds) };
  if (isStale(record, parents) || isOffGround(record, grounds) || !hasBase(session, record))
    return openOutlook(step, keyed);
  const layers = record.layer === undefined ? record.base : [...record.base, record.layer];
  return { ...found, layers, ground: groundOfEntry(step, layers, grounds) };
}
