/** Events of a build that may turn out to be none: nothing that it depends on has changed. */
import type { DefinitionKey } from '../../keys/digest.js';
import type { StepId } from '../../plan/step.js';
import type { BuildEvent, EventSink } from '../events.js';

/** Holds events back until it is clear that somebody wants to see them. */
export interface HeldEvents {
  readonly emit: EventSink;
  /** Passes on what was held, and all that comes. Once more does nothing. */
  readonly release: () => void;
  readonly isReleased: () => boolean;
  /** Keys of the steps that were looked up, of the platform that was built last. */
  readonly keys: ReadonlyMap<StepId, DefinitionKey>;
  /** How many platforms' builds have begun. */
  readonly builds: () => number;
}

/** Is something done, beyond looking it up? */
function isWork({ type }: BuildEvent): boolean {
  return type === 'started' || type === 'waiting' || type === 'transfer';
}

/** @param open asked for the sink when the first event is passed on */
export function holdEvents(open: () => EventSink): HeldEvents {
  const keys = new Map<StepId, DefinitionKey>();
  let held: BuildEvent[] = [];
  let sink: EventSink | undefined;
  let builds = 0;
  const release = (): void => {
    if (sink) return;
    sink = open();
    for (const event of held) sink(event);
    held = [];
  };
  return {
    keys,
    builds: () => builds,
    release,
    isReleased: () => sink !== undefined,
    emit(event) {
      if (event.type === 'planned') {
        builds += 1;
        keys.clear();
      }
      if (event.type === 'started' || event.type === 'cached') keys.set(event.step, event.key);
      if (sink) return sink(event);
      held.push(event);
      if (isWork(event)) release();
    },
  };
}
