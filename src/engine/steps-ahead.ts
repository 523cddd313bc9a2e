/** Which steps follow one that is carried out elsewhere, so that they can go there with it. */
import type { KeyedRequest } from '../executor/executor.js';
import type { KeyedStep } from '../keys/inputs.js';
import { isKeyed } from '../keys/inputs.js';
import type { Step, StepId } from '../plan/step.js';
import type { BuildSession } from './build-session.js';
import { keyedRequest } from './carry-out.js';
import type { KeyedInputs } from './lookup.js';
import type { Outlook } from './outlook.js';

/** For each step, those that stand on it or read its files. */
export type StepUsers = ReadonlyMap<StepId, readonly Step[]>;

/** The steps below and beside a step, the one below first; undefined: it stands on nothing. */
export function getParents({ parent, reads }: Step): readonly (StepId | undefined)[] {
  return [parent, ...reads];
}

/** Who uses what a step makes. Pure. */
export function usersOf(steps: readonly Step[]): StepUsers {
  const users = new Map<StepId, Step[]>();
  for (const step of steps)
    for (const id of getParents(step))
      if (id !== undefined) users.set(id, [...(users.get(id) ?? []), step]);
  return users;
}

/** The step that stands on this one, if nothing else does and it needs nothing else. Pure. */
export function followerOf(users: StepUsers, id: StepId): KeyedStep | undefined {
  const [next, ...others] = users.get(id) ?? [];
  if (!next || others.length > 0 || next.parent !== id || next.reads.length > 0) return undefined;
  return isKeyed(next) ? next : followerOf(users, next.id);
}

/**
 * The steps that are run for nobody but the one before them, as far as they travel and no definition key
 * finds them.
 */
export async function stepsAhead(
  session: BuildSession,
  users: StepUsers,
  first: KeyedInputs,
  lookAt: (id: StepId) => Promise<Outlook>,
): Promise<readonly KeyedRequest[]> {
  const chain: KeyedRequest[] = [];
  let { id } = first.step;
  let { key } = first;
  for (;;) {
    const next = followerOf(users, id);
    if (!next || !session.executor.travels?.(next)) break;
    id = next.id;
    const { keyed, record } = await lookAt(id);
    // A parent has another key when its context changed while it was copied.
    if (!keyed || record || keyed.inputs.parents.join() !== key) break;
    chain.push(keyedRequest(session, keyed));
    key = keyed.key;
  }
  return chain;
}
