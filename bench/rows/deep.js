// How the cost of a RUN step grows with the layers below it.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { coldContexts, runContext } from '../contexts.js';
import { median } from '../harness.js';
import { ofBuildKit, seconds, target } from '../table.js';

const STEPS = 300;
const EDGE = 50;
/** BuildKit with overlayfs refuses a step on more than 128 layers. */
const MOST = 120;

/** When each RUN began, and when all ended, in ms: what lies between two of them is all that a step takes. */
async function beginnings({ command, args, env }) {
  const begun = performance.now();
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const times = [];
  for await (const line of createInterface({ input: child.stderr }))
    if (line.startsWith('{"type":"started"')) times.push(performance.now());
  // The first is COPY.
  return { times: times.slice(1), all: performance.now() - begun };
}

export async function measure({ work, rounds, builds, builders }) {
  const contexts = coldContexts(work, 'deep', (path) => runContext(path, STEPS));
  const measured = [];
  for (let round = 0; round < Math.min(rounds, 3); round++) {
    const { command, args, env } = builders.wiac.build(contexts(round), { store: `deep-${round}` });
    const json = {
      command,
      env,
      args: args.map((arg) => (arg === '-q' ? '--progress=json' : arg)),
    };
    const { times, all } = await beginnings(json);
    const mean = (from, to) => (times[to] - times[from]) / (to - from);
    measured.push({ all, first: mean(0, EDGE), last: mean(STEPS - 1 - EDGE, STEPS - 1) });
  }
  const of = (name) => median(measured.map((one) => one[name]));
  const growth = of('last') / of('first');
  const fewer = coldContexts(work, 'fewer', (path) => runContext(path, MOST));
  const times = builds(
    (builder, round) => builder.build(fewer(round), { store: `fewer-${round}` }),
    { only: ['wiac', 'buildkit'], times: Math.min(rounds, 3) },
  );
  return {
    rows: [
      {
        title: `${STEPS} RUN steps, cold`,
        times: { wiac: of('all') },
        beside: `the first ${EDGE}: ${of('first').toFixed(1)} ms each, the last: ${of('last').toFixed(1)} ms`,
        targets: [target('grows by <= 1.1', growth.toFixed(2), growth <= 1.1)],
      },
      {
        title: `${MOST} RUN steps, cold`,
        times,
        beside: `a step: ${seconds(times.wiac / MOST)}`,
        targets: ofBuildKit(times, 0.3),
      },
    ],
  };
}
