/**
 * A week of CI in small: jobs on throw-away stores, two at a time, that share nothing but one cache reference in a
 * registry. Developers edit six branches and merge them; some jobs fail in the middle, some are killed. No step that a
 * finished job had run before is run again, and every result is that of a fresh build. WIAC_WEEK_SEED repeats another week.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { buildHere } from '../support/in-process.js';
import { generator } from '../support/random.js';
import type { Registry } from '../support/registry.js';
import { startRegistry } from '../support/registry.js';
import { describeLayers } from '../support/tree.js';
import type { BuildEvent } from '../support/wiac.js';
import { context, tempDir, WIAC } from '../support/wiac.js';

const JOBS = 40;
const BRANCHES = ['main', 'a', 'b', 'c', 'd', 'e'] as const;
type Branch = (typeof BRANCHES)[number];

/** What a branch's developers work on. */
interface Sources {
  readonly deps: number;
  readonly lib: number;
  readonly app: number;
  readonly docs: number;
  /** A line of the Dockerfile. */
  readonly flag: number;
  /** The tests of this one fail. */
  readonly broken: boolean;
}

const DOCKERFILE = (flag: number) =>
  [
    'FROM scratch AS base',
    'COPY bin /bin',
    'COPY deps /deps',
    'RUN cat /deps/list > /installed',
    'FROM base AS lib',
    'COPY lib /lib',
    `RUN echo ${flag} | cat /installed /lib/source - > /lib/made`,
    'FROM base AS app',
    'COPY --from=lib /lib/made /lib/made',
    'COPY app /app',
    'RUN cat /lib/made /app/source > /app/made',
    'RUN test ! -e /app/broken && echo ok > /tested',
    'FROM scratch',
    'COPY --from=app /app/made /tested /out/',
    'COPY docs /docs',
    '',
  ].join('\n');

/** A checkout. */
function checkOut({ deps, lib, app, docs, flag, broken }: Sources): string {
  return context({
    Dockerfile: DOCKERFILE(flag),
    'deps/list': `deps ${deps}\n`,
    'lib/source': `lib ${lib}\n`,
    'app/source': `app ${app}\n`,
    ...(broken ? { 'app/broken': '' } : {}),
    'docs/page': `docs ${docs}\n`,
  });
}

type Fate = 'ends' | 'is killed';

interface Job {
  readonly sources: Sources;
  readonly fate: Fate;
}

const FIRST: Sources = { deps: 0, lib: 0, app: 0, docs: 0, flag: 0, broken: false };

/** What happens in the week: who pushes what, in which order. */
function planWeek(seed: number): Job[] {
  const random = generator(seed);
  const below = (count: number) => Math.floor(random() * count);
  const branches = new Map<Branch, Sources>(BRANCHES.map((name) => [name, FIRST]));
  const edit = (sources: Sources): Sources => {
    const fixed = { ...sources, broken: random() < 0.1 };
    // The same edit may be made in two branches, and taken back.
    const value = below(4);
    const chance = random();
    if (chance < 0.45) return { ...fixed, app: value };
    if (chance < 0.65) return { ...fixed, docs: value };
    if (chance < 0.85) return { ...fixed, lib: value };
    return chance < 0.93 ? { ...fixed, flag: value } : { ...fixed, deps: value };
  };
  return Array.from({ length: JOBS }, (_, at): Job => {
    const name = BRANCHES[below(BRANCHES.length)] ?? 'main';
    const sources = branches.get(name) ?? FIRST;
    const main = branches.get('main') ?? FIRST;
    const chance = random();
    // A merge of main, a job that is started again, or a commit.
    const now = chance < 0.15 ? main : chance < 0.3 ? sources : edit(sources);
    branches.set(name, now);
    if (chance > 0.9 && !now.broken) branches.set('main', now);
    return { sources: now, fate: at % 25 === 12 ? 'is killed' : 'ends' };
  });
}

let registry: Registry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.stop());

/** Which step is that, wherever it runs? */
const keysOf = (events: readonly BuildEvent[], type: string, ids?: ReadonlySet<unknown>) =>
  events.flatMap((event) =>
    event.type === type && (!ids || ids.has(event.step)) ? [String(event.key)] : [],
  );

/** Runs a job on a machine of its own. */
async function runJob(
  { sources, fate }: Job,
  flags: readonly string[],
): Promise<{ exitCode: number | undefined; stdout: string; events: BuildEvent[]; store: string }> {
  const store = join(tempDir(), 'store');
  const args = ['build', '--progress=json', ...flags, checkOut(sources)];
  const running = execa(process.execPath, [WIAC, ...args], {
    reject: false,
    env: { WIAC_ROOT: store, WIAC_SYNC: 'none' },
  });
  if (fate === 'is killed') {
    await sleep(400);
    running.kill('SIGKILL');
  }
  const { exitCode, stdout, stderr } = await running;
  const events = stderr.split('\n').flatMap((line) => {
    // What is killed may end in the middle of a line.
    if (!line.startsWith('{') || !line.endsWith('}')) return [];
    return [JSON.parse(line) as BuildEvent];
  });
  return { exitCode, stdout: stdout.trimEnd(), events, store };
}

test('no step that a finished job has run is run again, and nothing is lost', async () => {
  const seed = Number(process.env.WIAC_WEEK_SEED ?? 9);
  const reference = `${registry.host}/week/cache:all`;
  const flags = [
    `--cache-from=type=registry,ref=${reference}`,
    `--cache-to=type=registry,ref=${reference},mode=max`,
  ];
  /** Keys of steps that jobs have run which were over by now. */
  const left = new Set<string>();
  const fresh = new Map<string, Promise<string[]>>();
  const freshResult = (sources: Sources): Promise<string[]> => {
    const name = JSON.stringify(sources);
    const known = fresh.get(name);
    if (known) return known;
    const made = (async () => {
      const { lowerdirs } = await buildHere(join(tempDir(), 'store'), checkOut(sources));
      return describeLayers(lowerdirs);
    })();
    fresh.set(name, made);
    return made;
  };
  const waiting = planWeek(seed);
  let [failed, killed, found] = [0, 0, 0];
  const runner = async (): Promise<void> => {
    for (let job = waiting.shift(); job; job = waiting.shift()) {
      const before = new Set(left);
      const { exitCode, stdout, events, store } = await runJob(job, flags);
      const started = keysOf(events, 'started');
      expect(started.filter((key) => before.has(key))).toEqual([]);
      if (keysOf(events, 'cached').length > 0) found += 1;
      if (exitCode === undefined) killed += 1;
      else {
        expect({ exitCode, events }).toEqual({ exitCode: job.sources.broken ? 5 : 0, events });
        const finished = new Set(
          events.flatMap(({ type, step }) => (type === 'finished' ? [step] : [])),
        );
        for (const key of keysOf(events, 'started', finished)) left.add(key);
        if (job.sources.broken) failed += 1;
        else expect(await describeLayers(stdout)).toEqual(await freshResult(job.sources));
        expect(events.filter(({ type }) => type === 'warning')).toEqual([]);
      }
      rmSync(store, { recursive: true, force: true });
    }
  };
  await Promise.all([runner(), runner()]);
  // The week has something of everything.
  expect(Math.min(failed, killed)).toBeGreaterThan(0);
  expect(found).toBeGreaterThan(JOBS / 2);
}, 600_000);
