/** Which cache mounts a build's steps ask for. */
import type { Plan } from '../../plan/plan.js';
import type { RunStep, Step, StepId } from '../../plan/step.js';
import { findLayer, findRemoteLayer } from '../../store/layers/find-layers.js';
import { mountName } from '../../store/pins/cache-mounts.js';
import type { LayerId } from '../../store/records.js';
import type { Store } from '../../store/store.js';
import type { StepState } from '../lookup.js';

/** A cache mount that may travel. */
export interface WantedMount {
  /** Name of its directory. */
  readonly name: string;
  readonly id: string;
  /** A step has it alone while it runs (sharing=locked or private): so has a snapshot of it. */
  readonly alone: boolean;
}

/** What a mount with from= begins with. @returns undefined when the digests are not known: it is not here then */
function getOrigin(store: Store, layers: readonly LayerId[], path: string) {
  const digests = layers.map((id) => (findLayer(store, id) ?? findRemoteLayer(store, id))?.digest);
  const known = digests.filter((digest) => digest !== undefined);
  return known.length === digests.length ? { layers: known, path } : undefined;
}

function* stepMounts(
  store: Store,
  step: RunStep,
  states: ReadonlyMap<StepId, StepState>,
): Generator<WantedMount> {
  for (const [at, mount] of step.mounts.entries()) {
    if (mount.type !== 'cache') continue;
    const alone = mount.sharing !== 'shared';
    const place = step.mountSources[at];
    if (place === undefined) {
      yield { name: mountName(mount), id: mount.id, alone };
      continue;
    }
    const source = step.reads[place];
    const layers = source === undefined ? undefined : states.get(source)?.layers;
    const from = layers && getOrigin(store, layers, mount.source);
    if (from) yield { name: mountName(mount, from), id: mount.id, alone };
  }
}

/** Each mount once, in the order of their names, which is the order in which they are locked. */
export function wantedMounts(mounts: Iterable<WantedMount>): WantedMount[] {
  const found = new Map<string, WantedMount>();
  for (const mount of mounts) {
    const alone = mount.alone || (found.get(mount.name)?.alone ?? false);
    found.set(mount.name, { ...mount, alone });
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The cache mounts of a plan, whether their steps were run or found. */
export function planMounts(
  store: Store,
  plan: Plan,
  states: ReadonlyMap<StepId, StepState>,
): WantedMount[] {
  const runs = plan.steps.filter((step: Step) => step.kind === 'run');
  return wantedMounts(runs.flatMap((step) => [...stepMounts(store, step, states)]));
}
