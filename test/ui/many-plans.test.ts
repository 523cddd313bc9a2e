/** Builds of several targets are shown as one: their plans come one after the other. */
import { expect, test } from '@jest/globals';
import { mergeEvents } from '../../src/engine/bake/merged-events.js';
import type { BuildEvent } from '../../src/engine/events.js';
import type { StepId } from '../../src/plan/step.js';
import { openPlain } from '../../src/ui/plain.js';
import { rawJsonProgress } from '../../src/ui/rawjson.js';

/** A plan of two steps, the second on the first. */
function planned(platform = 'linux/amd64'): BuildEvent {
  const step = (id: string, parent: string | undefined, text: string) => ({
    kind: 'copy',
    id,
    parent,
    reads: [],
    from: parent,
    stage: 'build',
    platform,
    text,
  });
  const steps = [step('s1', undefined, 'COPY a /'), step('s2', 's1', 'COPY b /')];
  return { type: 'planned', version: 1, steps } as unknown as BuildEvent;
}

const started = (id: string): BuildEvent =>
  ({ type: 'started', step: id as StepId, key: 'k' }) as unknown as BuildEvent;
const built: BuildEvent = { type: 'built', durationMs: 5, cached: 1, executed: 2 };

function run(emit: (event: BuildEvent) => void): void {
  const { sinkOf, end } = mergeEvents(emit, 7, () => 0);
  const [web, api] = [sinkOf('web', false), sinkOf('api', true)];
  web(planned());
  web(started('s1'));
  api(planned('linux/arm64'));
  api({ type: 'waiting', step: 's1' as StepId, pid: 7 });
  api({ type: 'waiting', step: 's2' as StepId, pid: 8 });
  web({ type: 'output', step: 's1' as StepId, text: 'hello' });
  api({ type: 'warning', message: 'careful' });
  api(started('s2'));
  web(built);
  api(built);
  end();
}

test('lines have the name of the target, and the first one stays as it was', () => {
  let text = '';
  const { view, emit } = openPlain(
    (more) => {
      text += more;
    },
    () => 0,
  );
  run(emit);
  expect(text.split('\n')).toEqual([
    '[web build 1/2] COPY a /',
    '[api linux/arm64 build 2/2] waits for process 8, which runs the same step',
    '[web build 1/2] 0.000 | hello',
    'wiac: warning: api: careful',
    '[api linux/arm64 build 2/2] COPY b /',
    'built in 0.00s: 2 steps cached, 4 run',
    '',
  ]);
  expect([...view.steps].map(([id, { status }]) => [id, status])).toEqual([
    ['web:1:s1', 'running'],
    ['web:1:s2', 'waiting'],
    ['api:1:s1', 'waiting'],
    ['api:1:s2', 'running'],
  ]);
});

test('rawjson tells each vertex once before it begins', () => {
  const names: string[] = [];
  run(
    rawJsonProgress(
      ({ vertexes = [] }) => {
        for (const { name, started: begun } of vertexes) if (!begun) names.push(name);
      },
      () => 'now',
    ),
  );
  expect(names).toEqual([
    '[web build 1/2] COPY a /',
    '[web build 2/2] COPY b /',
    '[api linux/arm64 build 1/2] COPY a /',
    '[api linux/arm64 build 2/2] COPY b /',
  ]);
});
