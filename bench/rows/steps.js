// RUN steps that cost nothing themselves, beside the least that they can cost (floor.c), and steps that wait.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { coldContexts, runContext, stepsContext } from '../contexts.js';
import { time } from '../harness.js';
import { ofBuildah, ofBuildKit, seconds, target } from '../table.js';

const STEPS = 20;
const NODE = { command: process.execPath, args: ['-e', '0'] };
const FLOOR_SOURCE = join(
  import.meta.dirname ?? new URL('.', import.meta.url).pathname,
  '../floor.c',
);

function cold({ work, directory, builds, builders }) {
  const floor = join(work, 'floor');
  execFileSync('cc', ['-O2', '-o', floor, FLOOR_SOURCE]);
  const contexts = coldContexts(work, 'runs-cold', (path) => runContext(path));
  // All that is no step: a cold build of the same files without one.
  const none = directory('none');
  stepsContext(none, []);
  const times = builds(
    (builder, round) => builder.build(contexts(round), { store: `runs-${round}` }),
    {
      others: {
        floor: (round) => {
          const place = join(work, `floor-${round}`);
          mkdirSync(place);
          const program = ['/bin/sh', '-c', 'echo 1 > /file1'];
          return { command: floor, args: [contexts(round), place, `${STEPS}`, ...program] };
        },
        start: (round) => builders.wiac.build(none, { store: `none-${round}` }),
      },
    },
  );
  const perStep = (times.wiac - times.start) / STEPS;
  const perFloor = times.floor / STEPS;
  const ratio = perStep / perFloor;
  return {
    title: `${STEPS} RUN steps, cold`,
    times,
    beside: `without steps: ${seconds(times.start)}; a step of floor.c: ${perFloor.toFixed(1)} ms`,
    targets: [
      ...ofBuildKit(times, 0.25),
      ...ofBuildah(times, 0.04),
      target(
        'a step <= 2.5 x floor',
        `${perStep.toFixed(1)} ms, ${ratio.toFixed(2)}`,
        ratio <= 2.5,
      ),
    ],
  };
}

function cached({ directory, builds, builders }) {
  const context = directory('runs');
  runContext(context);
  for (const builder of Object.values(builders)) time(builder.build(context));
  const times = builds((builder) => builder.build(context), { others: { node: () => NODE } });
  return {
    title: `${STEPS} RUN steps, cached`,
    times,
    beside: `node -e 0: ${seconds(times.node)}`,
  };
}

function waiting({ work, builds }) {
  const names = Array.from({ length: 8 }, (_, index) => `stage${index}`);
  const contexts = coldContexts(work, 'waiting', (path) =>
    stepsContext(path, [
      ...names.flatMap((name) => [`FROM base AS ${name}`, `RUN sleep 1 && echo > /${name}`]),
      'FROM base',
      ...names.map((name) => `COPY --from=${name} /${name} /`),
    ]),
  );
  const times = builds(
    (builder, round) => builder.build(contexts(round), { store: `waiting-${round}` }),
    { only: ['wiac', 'buildkit'] },
  );
  return {
    title: '8 stages of sleep 1',
    times,
    targets: [target('<= 1.7 s', seconds(times.wiac), times.wiac <= 1700)],
  };
}

export const measure = (bench) => ({ rows: [cold(bench), cached(bench), waiting(bench)] });
