/**
 * The layers of steps that were not looked for, because a step above them was found: that one's entry
 * says which layers it stands on. The history of the image wants to know which step made which.
 */
import type { Plan } from '../plan/plan.js';
import type { Step, StepId } from '../plan/step.js';
import type { LayerId } from '../store/records.js';

/** A step whose layers are known. */
export interface KnownLayers {
  /** Bottom first. */
  readonly layers: readonly LayerId[];
  /** Those of the step below it, where its entry says so. */
  readonly base: readonly LayerId[] | undefined;
}

/** The steps below a step that its stage consists of, and the step itself, topmost first. */
function getStage({ steps, target }: Pick<Plan, 'steps' | 'target'>): Step[] {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const stage: Step[] = [];
  for (let step = byId.get(target); step; ) {
    stage.push(step);
    step = step.parent === undefined ? undefined : byId.get(step.parent);
  }
  return stage;
}

/** How many layers a step makes; undefined: one or none. */
function layersMade({ kind }: Step): number | undefined {
  if (kind === 'workdir' || kind === 'squash') return undefined;
  return kind === 'copy' || kind === 'run' ? 1 : 0;
}

/**
 * The steps that may have made a layer. A WORKDIR that a lower one names as well, or below whose
 * path a lower one is, found its directory there.
 * @param run topmost first
 */
function getCandidates(run: readonly Step[]): Step[] {
  const made: string[] = [];
  return [...run]
    .reverse()
    .filter((step) => {
      if (layersMade(step) !== undefined) return false;
      if (step.kind !== 'workdir') return true;
      const below = step.path.endsWith('/') ? step.path : `${step.path}/`;
      const isThere = made.some((path) => path === step.path || path.startsWith(below));
      made.push(step.path);
      return !isThere;
    })
    .reverse();
}

/**
 * Where several WORKDIR could have made fewer layers, the upper ones did: what is below /a can't
 * have been there when /a was made.
 * @returns the layers of the unknown steps of the target's stage
 */
export function inferStates(
  plan: Pick<Plan, 'steps' | 'target'>,
  known: ReadonlyMap<StepId, KnownLayers>,
): Map<StepId, readonly LayerId[]> {
  const inferred = new Map<StepId, readonly LayerId[]>();
  const stage = getStage(plan);
  for (let at = 0; at < stage.length; at += 1) {
    const step = stage[at];
    const above = stage[at - 1];
    if (!step || known.has(step.id) || !above) continue;
    const run = stage.slice(
      at,
      stage.findIndex(({ id }, index) => index > at && known.has(id)),
    );
    const bottom = stage[at + run.length];
    const below = (bottom && known.get(bottom.id)?.layers.length) ?? 0;
    let layers = known.get(above.id)?.base ?? [];
    const certain = run.reduce((sum, each) => sum + (layersMade(each) ?? 0), 0);
    const spare = layers.length - below - certain;
    const makers = new Set(getCandidates(run).slice(0, spare));
    for (const each of run) {
      inferred.set(each.id, layers);
      const made = layersMade(each) ?? (makers.has(each) ? 1 : 0);
      layers = layers.slice(0, layers.length - made);
    }
    at += run.length - 1;
  }
  return inferred;
}
