/** What a resolved plan knows of its steps. */
import type { Plan } from '../plan/plan.js';
import type { StepId } from '../plan/step.js';
import type { KnownLayers } from './infer-states.js';
import { inferStates } from './infer-states.js';
import type { StepState } from './lookup.js';
import { NOTHING } from './lookup.js';
import type { Outlook } from './outlook.js';

/** The steps that were looked at, and those that were resolved. */
interface Resolved {
  readonly outlooks: ReadonlyMap<StepId, Promise<Outlook>>;
  readonly states: ReadonlyMap<StepId, Promise<StepState>>;
}

/** What is known of the plan's steps: what was resolved, what was found, what follows from that. */
export async function knownStates(
  plan: Plan,
  { outlooks, states }: Resolved,
): Promise<ReadonlyMap<StepId, StepState>> {
  const known = new Map<StepId, StepState & KnownLayers>();
  const keys = new Map<StepId, Pick<StepState, 'key' | 'maker'>>();
  for (const { id } of plan.steps) {
    const state = await states.get(id);
    const outlook = await outlooks.get(id);
    if (outlook) keys.set(id, outlook);
    const { layers, key, maker } = state ?? outlook ?? {};
    if (layers) known.set(id, { layers, key, maker, base: outlook?.record?.base });
  }
  const inferred = [...inferStates(plan, known)].map(([id, layers]): [StepId, StepState] => {
    const { key, maker } = keys.get(id) ?? NOTHING;
    return [id, { layers, key, maker }];
  });
  return new Map([...inferred, ...known]);
}
