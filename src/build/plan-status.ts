/** What the cache has of a plan: each step's key, and whether it would run. Runs nothing. */
import { lazyScratch } from '../cache/layer-store.js';
import { indexScanStore } from '../cache/scan-store.js';
import type { Store } from '../cache/store.js';
import type { FileSource } from '../context/source.js';
import type { DefinitionKey } from '../keys/digest.js';
import { isKeyed, sourceKey } from '../keys/inputs.js';
import type { ResolvedImage } from '../oci/image.js';
import type { Plan } from '../plan/plan.js';
import type { SourceStep, Step, StepId } from '../plan/step.js';
import { once } from './build.js';
import { createHash64 } from './hash64.js';
import type { StepState } from './lookup.js';
import { keyStep, lookupContent, lookupDefinition } from './lookup.js';
import { MissingLayersError } from './needed-layers.js';
import type { BuildSession } from './session.js';

/** A step with what the cache knows of it. */
export interface StepStatus {
  readonly step: Step;
  /** Undefined for steps that make no layer. */
  readonly key: DefinitionKey | undefined;
  /** `none`: the step makes no layer and is never looked up. */
  readonly status: 'hit' | 'miss' | 'none';
  /**
   * A miss because a step before it would run: should that leave the same files as before, this
   * one is a hit after all.
   */
  readonly afterMiss: boolean;
}

interface Known {
  readonly key: DefinitionKey | undefined;
  /** Undefined when the layers are not known, because a step would have to run first. */
  readonly state: StepState | undefined;
}

/** A base image whose layers are not all here would have to be pulled first. */
function sourceStatus({ image, store }: BuildSession, step: SourceStep): StepStatus & Known {
  if (step.digest === undefined) {
    return {
      step,
      key: undefined,
      status: 'none',
      afterMiss: false,
      state: { layers: [], key: undefined },
    };
  }
  const key = sourceKey(step.digest);
  const layers =
    image(step.reference)?.layers.map(({ diffId }) => store.index.diffIds.get(diffId)) ?? [];
  const known = layers.filter((id) => id !== undefined);
  const state = known.length === layers.length ? { layers: known, key } : undefined;
  return { step, key, status: 'none', afterMiss: false, state };
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
  const base =
    step.parent === undefined
      ? { key: undefined, state: { layers: [], key: undefined } }
      : known.get(step.parent);
  const reads = step.reads.map((id) => known.get(id));
  if (!base) throw new Error(`step ${step.id} stands before its parent`);
  if (step.kind === 'source') return sourceStatus(session, step);
  if (!isKeyed(step)) return { step, ...base, key: base.key, status: 'none', afterMiss: false };
  const keyed = await keyStep(session, step, [base.key, ...reads.map((item) => item?.key)]);
  const { key } = keyed;
  const readStates = reads.map((item) => item?.state);
  const complete = readStates.filter((state) => state !== undefined);
  if (!base.state || complete.length < readStates.length) {
    return { step, key, status: 'miss', afterMiss: true, state: undefined };
  }
  const { state } = base;
  const record =
    lookupDefinition(session, keyed, state, complete) ??
    (await lookupContent(session, keyed, state, complete)
      .then((found) => found.record)
      .catch(whenMissing));
  if (record === 'not here') {
    return { step, key, status: 'miss', afterMiss: true, state: undefined };
  }
  if (!record) return { step, key, status: 'miss', afterMiss: false, state: undefined };
  const layers =
    record.layer === undefined ? base.state.layers : [...base.state.layers, record.layer];
  return { step, key, status: 'hit', afterMiss: false, state: { layers, key } };
}

/** The status of every step, in the order of the plan. */
export async function planStatus(
  plan: Plan,
  store: Store,
  openContext: (name: string) => FileSource,
  images: ReadonlyMap<string, ResolvedImage>,
): Promise<StepStatus[]> {
  const scanStore = indexScanStore(store.index, await createHash64());
  const scratch = lazyScratch(store.paths);
  const session: BuildSession = {
    store,
    scanStore,
    context: once(openContext),
    scratch: scratch.path,
    platform: plan.platform,
    isolation: 'namespaces',
    image: (reference) => images.get(reference),
    origins: new Map(),
    sharedCache: undefined,
    skipsCache: () => false,
    secret: () => undefined,
    sshSocket: () => undefined,
    nextNumber: () => 0,
    emit: () => {},
    signal: new AbortController().signal,
  };
  const known = new Map<StepId, Known>();
  const statuses: StepStatus[] = [];
  for (const step of plan.steps) {
    const { key, status, afterMiss, state } = await statusOf(session, step, known);
    known.set(step.id, { key, state });
    statuses.push({ step, key: status === 'none' ? undefined : key, status, afterMiss });
  }
  scanStore.flush();
  scratch.remove();
  return statuses;
}
