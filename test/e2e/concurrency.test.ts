/**
 * Eight processes build Dockerfiles that overlap in one store, round after round: every step runs
 * in one of them, all get the same layers, and no lease stays. WIAC_ROUNDS is the number of rounds.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { getTables } from '../../src/store/index/tables.js';
import { closeStore, openStore } from '../../src/store/store.js';
import type { Built } from '../support/in-process.js';
import { inspectHere } from '../support/in-process.js';
import { describeLayers } from '../support/tree.js';
import { context, machine } from '../support/wiac.js';

const PROCESSES = 8;

/** Each step says in a file outside of all layers that it ran. */
function step(name: string, command = 'true'): string {
  return `RUN --mount=type=cache,id=log,target=/c echo "$ROUND ${name}" >> /c/log && ${command}`;
}

/** Dockerfile number `which`: all share base, two each share a stage, and each has a step alone. */
function text(which: number): string {
  const pair = `pair${Math.floor(which / 2)}`;
  return `FROM scratch AS base
COPY bin /bin
ARG ROUND
${step('base', 'echo "$ROUND" > /base')}
COPY changing /changing
FROM base AS side
${step('side', 'echo "$ROUND" > /side')}
FROM base AS ${pair}
${step(pair, `echo ${pair} > /pair`)}
FROM ${pair}
COPY --from=side /side /side
${step(`own${which % 4}`, 'cat /base /pair /side /changing > /all')}
`;
}

/** Contexts 4 to 7 are those of 0 to 3: two processes have exactly the same to do. */
function makeContexts(): string[] {
  return Array.from({ length: PROCESSES }, (_, which) => context({ Dockerfile: text(which % 4) }));
}

async function startWorkers(): Promise<ChildProcess[]> {
  const workers = Array.from({ length: PROCESSES }, () =>
    fork(join(process.cwd(), 'test/support/build-worker.js'), { execArgv: [] }),
  );
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  return workers;
}

async function ask(worker: ChildProcess, request: object): Promise<Built> {
  worker.send(request);
  const [answer] = (await once(worker, 'message')) as [{ built?: Built; failed?: string }];
  if (!answer.built) throw new Error(answer.failed);
  return answer.built;
}

/** Lines that steps of a round left, in the order of their names. */
function logged(root: string, round: number): string[] {
  const mounts = join(root, 'mounts');
  return readdirSync(mounts)
    .flatMap((name) => readFileSync(join(mounts, name, 'log'), 'utf8').split('\n'))
    .filter((line) => line.startsWith(`${round} `))
    .map((line) => line.slice(`${round} `.length))
    .sort();
}

/** Does something with eight processes that wait for requests. */
async function withWorkers(action: (workers: readonly ChildProcess[]) => Promise<void>) {
  const workers = await startWorkers();
  try {
    await action(workers);
  } finally {
    for (const worker of workers) worker.disconnect();
  }
}

const STEPS = ['base', 'own0', 'own1', 'own2', 'own3', 'pair0', 'pair1', 'side'];

test('eight processes, one store', async () => {
  const { root } = machine();
  const paths = makeContexts();
  await withWorkers(async (workers) => {
    for (let round = 0; round < Number(process.env.WIAC_ROUNDS ?? 10); round++) {
      for (const path of paths) writeFileSync(join(path, 'changing'), `round ${round}\n`);
      const options = { buildArgs: { ROUND: `${round}` } };
      const built = await Promise.all(
        workers.map((worker, which) => ask(worker, { root, path: paths[which], options })),
      );
      const seen = { logged: logged(root, round), built };
      if (seen.logged.join() !== STEPS.join()) throw new Error(JSON.stringify(seen, undefined, 1));
      // The two of COPY --from are different steps, of which one may be found by its content.
      const ran = built.flatMap((result) => result.ran).filter((item) => !/--from=side/.test(item));
      expect([...ran].sort()).toEqual([...new Set(ran)].sort());
      expect(ran).toHaveLength(STEPS.length + (round === 0 ? 2 : 1));
      for (const which of [0, 1, 2, 3])
        expect(built[which + 4]?.lowerdirs).toBe(built[which]?.lowerdirs);
      const tree = await describeLayers(built[0]?.lowerdirs ?? '');
      const all = tree.find((line) => line.startsWith('all ')) ?? '';
      expect(Buffer.from(all.split(' ').at(-1) ?? '', 'base64').toString()).toBe(
        `${round}\npair0\n${round}\nround ${round}\n`,
      );
    }
  });
  const store = await openStore(root);
  expect(getTables(store).leases.list()).toEqual([]);
  await closeStore(store);
  expect(await inspectHere(root)).toEqual([]);
});

test('eight processes begin to use a cache mount at once, and it is the same one', async () => {
  const { root } = machine();
  const paths = Array.from({ length: PROCESSES }, (_, which) =>
    context({
      Dockerfile: `FROM scratch\nCOPY bin /bin\nARG ROUND\nRUN --mount=type=cache,id=c$ROUND,target=/c sleep 0.2 && echo > /c/${which}\n`,
    }),
  );
  await withWorkers(async (workers) => {
    for (let round = 0; round < 5; round++) {
      const options = { buildArgs: { ROUND: `${round}` } };
      await Promise.all(
        workers.map((worker, which) => ask(worker, { root, path: paths[which], options })),
      );
    }
  });
  const mounts = join(root, 'mounts');
  const all = Array.from({ length: PROCESSES }, (_, which) => `${which}`);
  const held = readdirSync(mounts).map((name) => readdirSync(join(mounts, name)).sort());
  expect(held).toEqual(Array.from({ length: 5 }, () => all));
});

test('eight processes make a store at once, again and again', async () => {
  const path = context({ Dockerfile: `FROM scratch\nCOPY bin /bin\nARG ROUND\n${step('new')}\n` });
  await withWorkers(async (workers) => {
    for (let round = 0; round < 20; round++) {
      const { root } = machine();
      const request = { root, path, options: { buildArgs: { ROUND: `${round}` } } };
      await Promise.all(workers.map((worker) => ask(worker, request)));
      expect(logged(root, round)).toEqual(['new']);
      expect(await inspectHere(root)).toEqual([]);
    }
  });
});
