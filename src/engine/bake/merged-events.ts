/** Events of several builds as those of one: ids and stages have the name of their target in front. */
import type { Step, StepId } from '../../plan/step.js';
import type { Explanation } from '../../why/explain.js';
import type { BuildEvent, EventSink } from '../events.js';
import { EVENTS_VERSION } from '../events.js';

/** One sink for each build, and the end of all. */
export interface MergedEvents {
  /** @param severalPlatforms the platform is part of the name then */
  readonly sinkOf: (target: string, severalPlatforms: boolean) => EventSink;
  /** Tells that all builds are done. */
  readonly end: () => void;
}

type Rename = (id: StepId) => StepId;

function renameExplanation(why: Explanation, rename: Rename): Explanation {
  if (why.kind !== 'different' || !why.parent) return why;
  return { ...why, parent: { ...why.parent, step: rename(why.parent.step) } };
}

function renameStep(step: Step, rename: Rename, stage: string): Step {
  const { id, parent, reads } = step;
  const common = {
    id: rename(id),
    parent: parent === undefined ? undefined : rename(parent),
    reads: reads.map(rename),
    stage,
  };
  if (step.kind !== 'copy' || step.from === undefined) return { ...step, ...common };
  return { ...step, ...common, from: rename(step.from) };
}

/**
 * @param emit gets a plan that grows: each `planned` has the steps of all targets so far
 * @param pid of this process
 * @param clock ms
 */
export function mergeEvents(
  emit: EventSink,
  pid: number,
  clock: () => number = () => performance.now(),
): MergedEvents {
  const started = clock();
  const steps: Step[] = [];
  const built: (BuildEvent & { type: 'built' })[] = [];
  const sinkOf = (target: string, severalPlatforms: boolean): EventSink => {
    let plans = 0;
    const rename: Rename = (id) => `${target}:${plans}:${id}` as StepId;
    return (event) => {
      switch (event.type) {
        case 'planned':
          plans += 1;
          steps.push(
            ...event.steps.map((step) => {
              const name = severalPlatforms ? `${target} ${step.platform}` : target;
              return renameStep(step, rename, `${name} ${step.stage}`);
            }),
          );
          return emit({ type: 'planned', version: EVENTS_VERSION, steps: [...steps] });
        case 'built':
          built.push(event);
          return;
        case 'waiting':
          // For another target: its step is shown as well.
          if (event.pid === pid) return;
          return emit({ ...event, step: rename(event.step) });
        case 'started':
          return emit({
            ...event,
            step: rename(event.step),
            ...(event.why && { why: renameExplanation(event.why, rename) }),
          });
        case 'transfer':
          return emit({ ...event, id: `${target}:${plans}:${event.id}` });
        case 'warning':
          return emit({ ...event, message: `${target}: ${event.message}` });
        case 'lint':
          return emit(event);
        default:
          return emit({ ...event, step: rename(event.step) });
      }
    };
  };
  return {
    sinkOf,
    end: () =>
      emit({
        type: 'built',
        durationMs: Math.round(clock() - started),
        cached: built.reduce((sum, { cached }) => sum + cached, 0),
        executed: built.reduce((sum, { executed }) => sum + executed, 0),
      }),
  };
}
