/** What the cache has of a plan: each step's key, and whether it would run. Runs nothing. */
import { findByOperation } from '../cache/entries.js';
import type { CacheIndex } from '../cache/index-db.js';
import { lazyScratch } from '../cache/layer-store.js';
import { noteImage } from '../cache/related.js';
import { indexScanStore } from '../cache/scan-store.js';
import type { Store } from '../cache/store.js';
import { useLayers } from '../cache/uses.js';
import type { FileSource } from '../context/source.js';
import type { DefinitionKey, Json } from '../keys/digest.js';
import { canonicalJson } from '../keys/digest.js';
import { isKeyed, selectionInput, sourceKey } from '../keys/inputs.js';
import type { Plan } from '../plan/plan.js';
import type { SourceStep, Step, StepId } from '../plan/step.js';
import { openOnce } from './build.js';
import { createHash64 } from './hash64.js';
import type { KeyedInputs, StepState } from './lookup.js';
import { keyStep, lookupContent, lookupDefinition, NOTHING } from './lookup.js';
import { MissingLayersError } from './needed-layers.js';
import { knownLayers, type PlanImages } from './plan-images.js';
import type { BuildSession } from './session.js';

/** A step with what the cache knows of it. */
export interface StepStatus {
  readonly step: Step;
  /** Undefined for steps that make no layer. */
  readonly key: DefinitionKey | undefined;
  /** `none`: the step makes no layer and is never looked up. */
  readonly status: 'hit' | 'miss' | 'none';
  /**
   * A miss only because a step before it would run: should that leave the same files as before,
   * this one is a hit after all.
   */
  readonly afterMiss: boolean;
  /** What its key is made of; undefined for steps that make no layer. */
  readonly keyed: KeyedInputs | undefined;
}

interface Known {
  readonly key: DefinitionKey | undefined;
  readonly maker: StepId | undefined;
  /** Undefined when the layers are not known, because a step would have to run first. */
  readonly state: StepState | undefined;
}

/** A base image whose layers are not all here would have to be pulled first. */
function sourceStatus({ images, store }: BuildSession, step: SourceStep): StepStatus & Known {
  const none = { step, status: 'none', afterMiss: false, keyed: undefined } as const;
  if (step.digest === undefined) {
    return { ...none, key: undefined, maker: undefined, state: NOTHING };
  }
  const key = sourceKey(step.digest);
  noteImage(store.index, key, step.digest);
  const layers = knownLayers(store.index, images.get(step));
  const known = layers.filter((id) => id !== undefined);
  const maker = step.id;
  const state = known.length === layers.length ? { layers: known, key, maker } : undefined;
  return { ...none, key, maker, state };
}

/**
 * Could the step be found by its content, whatever the steps before it make? Only where the cache
 * has its operation, and for files of the build context these very files.
 */
function mayHit(index: CacheIndex, { step, operation, inputs }: KeyedInputs): boolean {
  const files = canonicalJson(inputs.files as unknown as Json);
  const filesKnown = step.kind === 'copy' && step.from === undefined;
  return findByOperation(index, operation).some(
    (record) => !filesKnown || canonicalJson(record.inputs.files as unknown as Json) === files,
  );
}

/** Content that would have to be fetched first is not looked at. */
function whenMissing(error: unknown): 'not here' {
  if (error instanceof MissingLayersError) return 'not here';
  throw error;
}

async function statusOf(
  session: BuildSession,
  step: Step,
  known: Map<StepId, Known>,
): Promise<StepStatus & Known> {
  const nothing: Known = { key: undefined, maker: undefined, state: NOTHING };
  const base = step.parent === undefined ? nothing : known.get(step.parent);
  const reads = step.reads.flatMap((id) => known.get(id) ?? []);
  if (!base) throw new Error(`step ${step.id} stands before its parent`);
  if (step.kind === 'source') return sourceStatus(session, step);
  if (!isKeyed(step)) {
    return { step, ...base, status: 'none', afterMiss: false, keyed: undefined };
  }
  const parents = [base, ...reads].map(({ state, ...rest }) => ({
    ...rest,
    layers: state?.layers,
  }));
  const keyed = await keyStep(session, step, parents);
  const { key } = keyed;
  const maker = step.id;
  const miss = { step, key, maker, status: 'miss', keyed, state: undefined } as const;
  const complete = reads.flatMap(({ state }) => state ?? []);
  const { index } = session.store;
  if (!base.state || complete.length < reads.length)
    return { ...miss, afterMiss: mayHit(index, keyed) };
  const definition = lookupDefinition(session, keyed, base.state, complete);
  if (!definition) {
    // Looking for the content reads files of the layers below.
    const layers = [base.state, ...complete].flatMap((state) => state.layers);
    useLayers(index, layers);
  }
  const content = definition
    ? undefined
    : await lookupContent(session, keyed, base.state, complete).catch(whenMissing);
  if (content === 'not here') return { ...miss, afterMiss: mayHit(index, keyed) };
  const record = definition ?? content?.record;
  if (!record) {
    // Files of another step are known only now.
    const inputs = {
      ...keyed.inputs,
      files: (content?.sources.selections ?? []).map(selectionInput),
    };
    return { ...miss, keyed: { ...keyed, inputs }, afterMiss: false };
  }
  const layers =
    record.layer === undefined ? base.state.layers : [...base.state.layers, record.layer];
  const state = { layers, key, maker };
  return { step, key, maker, status: 'hit', keyed, afterMiss: false, state };
}

/** The status of every step, in the order of the plan. */
export async function planStatus(
  plan: Plan,
  store: Store,
  openContext: (name: string) => FileSource,
  images: PlanImages,
): Promise<StepStatus[]> {
  const scanStore = indexScanStore(store.index, await createHash64());
  const scratch = lazyScratch(store.paths);
  const contexts = openOnce(openContext);
  const session: BuildSession = {
    store,
    scanStore,
    context: contexts.get,
    scratch: scratch.path,
    isolation: 'namespaces',
    limits: {},
    images,
    origins: new Map(),
    sharedCache: undefined,
    skipsCache: () => false,
    secret: () => undefined,
    credentials: plan.credentials,
    sshAgent: () => undefined,
    nextNumber: () => 0,
    emit: () => {},
    signal: new AbortController().signal,
  };
  const known = new Map<StepId, Known>();
  const statuses: StepStatus[] = [];
  try {
    for (const step of plan.steps) {
      const { key, maker, status, afterMiss, keyed, state } = await statusOf(session, step, known);
      known.set(step.id, { key, maker, state });
      statuses.push({ step, key: status === 'none' ? undefined : key, status, afterMiss, keyed });
    }
    scanStore.flush();
    return statuses;
  } finally {
    contexts.close();
    scratch.remove();
  }
}
