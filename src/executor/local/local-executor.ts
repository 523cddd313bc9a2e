/** Carries steps out on this machine, in the build's own store: each in a draft, which the build publishes. */

import type { TreeMeasures } from '../../fs/layer/disk-usage.js';
import { measureTree } from '../../fs/layer/disk-usage.js';
import { measureLayer } from '../../fs/layer/reserved-names.js';
import { rootedStack } from '../../fs/layer/rooted-stack.js';
import { squashLayers } from '../../fs/layer/squash.js';
import type { LayerMarks } from '../../fs/scan/tree-xattrs.js';
import type { KeyedStep } from '../../keys/inputs.js';
import { selectionInput } from '../../keys/inputs.js';
import type { CopyStep } from '../../plan/step.js';
import { layerStack } from '../../store/layers/layer-stack.js';
import type { Draft } from '../../store/layers/layer-store.js';
import { discardDraft } from '../../store/layers/layer-store.js';
import type { LayerId } from '../../store/records.js';
import { inUserNamespace } from '../../util/user-namespace.js';
import type {
  ExecutionInputs,
  ExecutionIo,
  Executor,
  InputLayer,
  LayerArtifact,
} from '../executor.js';
import { containerPool } from './container-pool.js';
import type { CopySources } from './copy-sources.js';
import { stageSources } from './copy-sources.js';
import { deepStacks } from './deep-stacks.js';
import { draftPool } from './draft-pool.js';
import { executeCopy, executeWorkdir } from './execute-copy.js';
import { executeFetch } from './execute-fetch.js';
import { executeRun } from './execute-run.js';
import { groupPool } from './group-pool.js';
import type { GivenMachine, LocalMachine } from './local-machine.js';
import { inheritRoot } from './rootfs.js';
import { sharedPlaces } from './shared-places.js';

type Made = Omit<LayerArtifact, 'content'>;

/** What is known of them. */
type SomeMarks = { readonly [Mark in keyof LayerMarks]?: LayerMarks[Mark] | undefined };

function measured(made: TreeMeasures & SomeMarks): Made {
  const { files, bytes, disk, opaque, withoutXattrs } = made;
  const unknown = {
    links: undefined,
    tree: undefined,
    digest: undefined,
    selections: undefined,
  };
  return { files, bytes, disk, linked: 0, opaque, withoutXattrs, ...unknown };
}

function ids(layers: readonly InputLayer[]): LayerId[] {
  return layers.map(({ id }) => id);
}

/** @throws Error for inputs that no look-up gives */
function required<T>(value: T | undefined, step: KeyedStep, what: string): T {
  if (value === undefined) throw new Error(`${step.kind} without its ${what}`);
  return value;
}

async function copy(
  machine: LocalMachine,
  draft: Draft,
  step: CopyStep,
  inputs: ExecutionInputs,
  io: ExecutionIo<CopySources>,
): Promise<Made> {
  const { readTree } = machine.scanStore;
  // What is made of a --link depends on nothing below.
  const stack = step.link ? [] : await layerStack(machine.store, ids(inputs.base), readTree);
  const select = async () => {
    const [source] = inputs.reads;
    const files = await layerStack(machine.store, ids(required(source, step, 'source')), readTree);
    return stageSources(step, rootedStack(files, machine.scratch), machine.scanStore);
  };
  const sources = io.sources ?? (await select());
  const place = required(inputs.place, step, 'destination');
  const reads = ids(inputs.reads[0] ?? []);
  const request = { place, sources, former: inputs.former, reads, stack };
  const made = await executeCopy(machine, draft, step, request, io);
  const { linked, links, fresh, withoutXattrs, tree, digest } = made;
  const selections = made.selections.map(selectionInput);
  return { ...measured(made), linked, links, fresh, withoutXattrs, tree, digest, selections };
}

/** @returns undefined when there is nothing to squash */
async function squash(
  { store }: LocalMachine,
  draft: Draft,
  { base, reads: [layers = []] }: ExecutionInputs,
): Promise<Made | undefined> {
  const count = layers.length - base.length;
  if (count === 0) return undefined;
  const stack = await layerStack(store, ids(layers));
  const own = stack.slice(0, count);
  inheritRoot(draft.diff, own);
  const below = stack.slice(count);
  const { opaque, withoutXattrs } = await squashLayers(own, below, draft.diff, inUserNamespace());
  return { ...measured(measureTree(draft.diff)), opaque, withoutXattrs };
}

/** @returns undefined when the step leaves no layer */
async function make(
  machine: LocalMachine,
  draft: Draft,
  step: KeyedStep,
  inputs: ExecutionInputs,
  io: ExecutionIo<CopySources>,
): Promise<Made | undefined> {
  switch (step.kind) {
    case 'run': {
      const reads = inputs.reads.map(ids);
      return measured(await executeRun(machine, draft, step, ids(inputs.base), reads, io));
    }
    case 'fetch':
      await executeFetch(machine, draft, step, required(inputs.identity, step, 'identity'), io);
      return measured(await measureLayer(draft.diff, step.location));
    case 'workdir':
      return (await executeWorkdir(
        draft,
        required(inputs.place, step, 'destination'),
        step.location,
      ))
        ? measured(measureTree(draft.diff))
        : undefined;
    case 'squash':
      return squash(machine, draft, inputs);
    case 'copy':
      return copy(machine, draft, step, inputs, io);
  }
}

/**
 * The executor of this machine. It shares the build's store, and all of its layers are there.
 * @param expectsRun whether another RUN is known to follow
 */
export function localExecutor(
  shared: GivenMachine,
  expectsRun: () => boolean = () => false,
): Executor<CopySources> {
  const { scratch, sys, limits, runtime, store } = shared;
  const containers = containerPool(sys);
  const groups = groupPool(limits, runtime, containers.vacate);
  const drafts = draftPool(store.paths);
  const deep = deepStacks(sys, scratch, containers.forget);
  const own = { places: sharedPlaces(scratch), deep, drafts, groups, containers };
  const machine: LocalMachine = { ...shared, ...own, expectsRun };
  return {
    sharesStore: true,
    close: async () => {
      drafts.close();
      await containers.close();
      await groups.close();
    },
    execute: async (step, inputs, io) => {
      const draft = drafts.take();
      try {
        const made = await make(machine, draft, step, inputs, io);
        if (made) return { ...made, content: { kind: 'draft', id: draft.id } };
        discardDraft(draft);
        return { ...measured({ files: 0, bytes: 0, disk: 0 }), content: { kind: 'none' } };
      } catch (error) {
        discardDraft(draft);
        throw error;
      }
    },
  };
}
