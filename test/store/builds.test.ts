/** Files of builds: written while a build goes on, read at any time, and bounded. */
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { listBuilds, loadBuild, readBuild } from '../../src/engine/history/read-builds.js';
import type { BuildId, BuildSummary } from '../../src/engine/history/record.js';
import type { BuildOrigin } from '../../src/engine/history/record-build.js';
import { recordBuild } from '../../src/engine/history/record-build.js';
import { selectBuild } from '../../src/engine/history/select-build.js';
import type { DefinitionKey } from '../../src/keys/digest.js';
import type { StepId } from '../../src/plan/step.js';
import { boundBuildFiles } from '../../src/store/builds/build-files.js';
import { DEFAULT_BOUNDS, parseHistory } from '../../src/store/builds/history-bounds.js';
import type { Store } from '../../src/store/store.js';
import { InterruptedError } from '../../src/util/errors.js';
import { getStep } from '../support/steps.js';
import { tempDir } from '../support/wiac.js';

const ORIGIN: BuildOrigin = {
  command: ['build', '.'],
  context: '/c',
  dockerfile: '/c/Dockerfile',
  variables: [],
};
const DAY = 86_400_000;
const step = 's1' as StepId;
const planned = { type: 'planned', version: 1, steps: [getStep('run', 's1')] } as const;
const started = { type: 'started', step, key: 'k' as DefinitionKey } as const;
const finished = { type: 'finished', step, durationMs: 1, files: 0, bytes: 0, linked: 0 } as const;
const say = (text: string) => ({ type: 'output', step, text }) as const;
const GAIN = { lowerdirs: ['/l/a'], images: ['x'] };

/** A store with a place for builds; the process `me-1` is alive. */
function place(): Pick<Store, 'paths'> {
  const builds = join(tempDir(), 'builds');
  const self = { id: 'me-1', isAlive: (id: string) => id === 'me-1' };
  return { paths: { builds, self } } as unknown as Store;
}

async function all(store: Pick<Store, 'paths'>): Promise<BuildSummary[]> {
  const builds: BuildSummary[] = [];
  for await (const build of listBuilds(store)) builds.push(build);
  return builds;
}

const files = ({ paths }: Pick<Store, 'paths'>) =>
  readdirSync(paths.builds).map((name) => join(paths.builds, name));

/** A clock that goes on by one each time. */
function clock(from: number): () => number {
  let now = from;
  return () => {
    now += 1;
    return now;
  };
}

function buildAt(store: Pick<Store, 'paths'>, at: number, text = ''): BuildId {
  const record = recordBuild(store, ORIGIN, DEFAULT_BOUNDS, clock(at));
  for (const event of [planned, started, say(text), finished]) record.emit(event);
  record.end(GAIN);
  return record.id;
}

test('a build comes back as it was', async () => {
  const store = place();
  const id = buildAt(store, 1000, 'hello');
  const record = await loadBuild(store, id);
  expect(record).toMatchObject({
    header: { id, started: 1001, command: ['build', '.'], context: '/c' },
    status: 'ok',
    result: { ...GAIN, exitCode: 0 },
    totals: { cached: 0, executed: 1, failed: [] },
    plans: [[{ id: 's1', name: '[0 1/1]', kind: 'run' }]],
  });
  expect(record.events.map(({ type }) => type)).toEqual([
    'planned',
    'started',
    'output',
    'finished',
  ]);
  expect(await all(store)).toEqual([
    {
      header: record.header,
      status: 'ok',
      result: record.result,
      totals: record.totals,
      durationMs: record.durationMs,
    },
  ]);
  expect(statSync(store.paths.builds).mode & 0o777).toBe(0o700);
  expect(files(store).map((file) => statSync(file).mode & 0o777)).toEqual([0o600]);
});

test('a build that runs can be read; one whose process is gone was killed', async () => {
  const store = place();
  const record = recordBuild(store, ORIGIN);
  for (const event of [planned, started]) record.emit(event);
  expect(await all(store)).toMatchObject([{ status: 'running', result: undefined }]);
  const [file = ''] = files(store);
  // What a kill leaves: the part of a row.
  appendFileSync(file, '{"type":"output","te');
  const gone = { paths: { ...store.paths, self: { isAlive: () => false } } } as unknown as Store;
  expect(await all(gone)).toMatchObject([{ status: 'killed' }]);
  expect((await loadBuild(gone, record.id)).events.map(({ type }) => type)).toEqual([
    'planned',
    'started',
  ]);
});

test('a reader that follows sees what comes, and the end', async () => {
  const store = place();
  const record = recordBuild(store, ORIGIN);
  for (const event of [planned, started]) record.emit(event);
  const seen: string[] = [];
  for await (const row of readBuild(store, record.id, { follow: true })) {
    seen.push(row.type);
    if (row.type === 'started') record.emit(say('späť'));
    if (row.type === 'output') record.fail(new InterruptedError('SIGINT', 2));
  }
  expect(seen).toEqual(['planned', 'started', 'output', 'error', 'result']);
  expect(await all(store)).toMatchObject([{ status: 'interrupted', result: { exitCode: 130 } }]);
});

test('a step that prints without end leaves a small file, and its last lines', async () => {
  const store = place();
  const record = recordBuild(store, ORIGIN);
  for (const event of [planned, started]) record.emit(event);
  const line = 'x'.repeat(1000);
  for (let number = 0; number < 5000; number += 1) record.emit(say(`${number} ${line}`));
  record.emit(say('y'.repeat(1_000_000)));
  record.emit(say('last'));
  record.fail(new Error('bug'));
  const [file = ''] = files(store);
  expect(statSync(file).size).toBeLessThan(1_100_000);
  const { events, status } = await loadBuild(store, record.id);
  expect(status).toBe('failed');
  const texts = events.flatMap((event) => (event.type === 'output' ? [event.text] : []));
  expect(texts[0]?.slice(0, 3)).toBe('0 x');
  expect(texts.at(-1)).toBe('last');
  expect(texts.at(-2)?.length).toBeLessThan(17_000);
  const [cut] = events.filter(({ type }) => type === 'cut');
  expect(cut).toMatchObject({ lines: 5002 - texts.length });
});

test('a transfer that goes on is told now and then', async () => {
  const store = place();
  let now = 0;
  const record = recordBuild(store, ORIGIN, DEFAULT_BOUNDS, () => now);
  const transfer = (state: 'running' | 'done') =>
    ({
      type: 'transfer',
      id: 't1',
      what: 'pull',
      name: 'x',
      done: now,
      durationMs: now,
      state,
    }) as const;
  for (; now <= 5000; now += 250) record.emit(transfer('running'));
  record.emit(transfer('done'));
  record.end(GAIN);
  const { events } = await loadBuild(store, record.id);
  expect(events.map(({ at }) => at)).toEqual([0, 2000, 4000, 5250]);
});

test('where nothing can be written, nothing happens', async () => {
  const store = place();
  writeFileSync(store.paths.builds, '');
  expect(() => buildAt(store, 1000)).not.toThrow();
});

describe('a clock that is set', () => {
  const ids = async (store: Pick<Store, 'paths'>) =>
    (await all(store)).map(({ header }) => header.id);

  test('back: the order is that of the builds, and the oldest go', async () => {
    const store = place();
    const built = [900, 901, 3, 4, -5, 5].map((day) => buildAt(store, day * DAY));
    expect(await ids(store)).toEqual([...built].reverse());
    expect((await selectBuild(store, 'last', '/c')).header).toMatchObject({ started: 5 * DAY + 1 });
    boundBuildFiles(store, { ...DEFAULT_BOUNDS, keepBuilds: 2 }, 5 * DAY);
    expect(await ids(store)).toEqual(built.slice(-2).reverse());
  });

  test.each([-800 * DAY, -1, 9_999_999_999_999, 253_402_300_799_000])('to %d', async (at) => {
    const store = place();
    const id = buildAt(store, at);
    expect(await ids(store)).toEqual([id]);
    boundBuildFiles(store, { ...DEFAULT_BOUNDS, keepBuilds: 0 }, at);
    expect(files(store)).toEqual([]);
  });

  test('two builds at once: the one that began last comes first', async () => {
    const store = place();
    const slow = recordBuild(store, ORIGIN, DEFAULT_BOUNDS, clock(1000));
    const last = buildAt(store, 1001);
    slow.end(GAIN);
    expect(await ids(store)).toEqual([last, slow.id]);
  });
});

test('a build goes on evenly while somebody sets the clock', async () => {
  const store = place();
  const today = jest.spyOn(Date, 'now');
  try {
    const record = recordBuild(store, ORIGIN);
    today.mockReturnValue(Date.now() - DAY);
    record.emit(planned);
    today.mockReturnValue(Date.now() + 9 * DAY);
    record.end(GAIN);
    const { events, durationMs } = await loadBuild(store, record.id);
    const times = [...events.map(({ at }) => at), durationMs];
    expect(times.filter((at) => at < 0 || at > DAY / 2)).toEqual([]);
  } finally {
    today.mockRestore();
  }
});

describe('bounds', () => {
  test('of number, age and bytes', async () => {
    const store = place();
    const ids = [1, 2, 3, 4].map((day) => buildAt(store, day * DAY, 'x'.repeat(5000)));
    const left = async () => (await all(store)).map(({ header }) => header.id);
    expect(await left()).toEqual([...ids].reverse());
    boundBuildFiles(store, { ...DEFAULT_BOUNDS, keepBuilds: 3 }, 4 * DAY);
    expect(await left()).toEqual([ids[3], ids[2], ids[1]]);
    boundBuildFiles(store, { ...DEFAULT_BOUNDS, keepDays: 1.5 }, 4 * DAY, false);
    expect(await left()).toEqual([ids[3], ids[2]]);
    boundBuildFiles(store, { ...DEFAULT_BOUNDS, keepBytes: 100 }, 4 * DAY, false);
    expect(await left()).toEqual([ids[3], ids[2]]);
    boundBuildFiles(store, { ...DEFAULT_BOUNDS, keepBytes: 100 }, 4 * DAY);
    expect(await left()).toEqual([ids[3]]);
    expect(boundBuildFiles(store, { ...DEFAULT_BOUNDS, keepBuilds: 0 }, 4 * DAY)).toBe(1);
    expect(await left()).toEqual([]);
  });

  test.each([
    [undefined, DEFAULT_BOUNDS],
    [
      { history: { keepBytes: '1M', keepDays: 0.5 } },
      { keepBuilds: 200, keepBytes: 1e6, keepDays: 0.5 },
    ],
    [{ history: false }, { ...DEFAULT_BOUNDS, keepBuilds: 0 }],
  ])('of the config file %j', (value, bounds) => {
    expect(parseHistory(value)).toEqual(bounds);
  });

  test.each([
    [{ history: 3 }, 'history must be an object, or false'],
    [{ history: { keepBuild: 1 } }, 'history.keepBuild (did you mean keepBuilds?)'],
    [
      { history: { keepBytes: '3 apples' } },
      'history.keepBytes is "3 apples", and must be a number or a size',
    ],
    [{ history: { keepDays: -1 } }, 'history.keepDays is -1, and must be a number'],
  ])('config file %j', (value, problem) => {
    expect(parseHistory(value)).toEqual({ problem: expect.stringContaining(problem) });
  });
});

test('builds are found by the beginning of their ids, and from each other', async () => {
  const store = place();
  const ids = [1, 2, 3].map((at) => buildAt(store, at * 1000));
  const find = async (text: string) => (await selectBuild(store, text, '/c')).header.id;
  expect(await Promise.all(['last', 'last~1', 'last~2', '.~1', String(ids[2])].map(find))).toEqual([
    ids[2],
    ids[1],
    ids[0],
    ids[1],
    ids[2],
  ]);
  expect(await find(`${ids[2]}~1`)).toBe(ids[1]);
  for (const text of ['last~3', 'failed', '/elsewhere'])
    await expect(find(text)).rejects.toThrow(`there is no build ${text}`);
  const [file = ''] = files(store);
  const twin = readFileSync(file, 'utf8').replaceAll(
    /"id":"[a-z2-7]{8}"/g,
    `"id":"${ids[2]?.slice(0, 7)}0"`,
  );
  mkdirSync(store.paths.builds, { recursive: true });
  writeFileSync(join(store.paths.builds, '0000000000001-aaaaaaaa.ndjson'), twin);
  await expect(find(String(ids[2]?.slice(0, 7)))).rejects.toThrow('is the beginning of');
});

test('files of others are no builds', async () => {
  const store = place();
  buildAt(store, 1000);
  writeFileSync(join(store.paths.builds, '0000000009999-bbbbbbbb.ndjson'), 'nonsense\n');
  writeFileSync(join(store.paths.builds, '0000000009998-bbbbbbbb.ndjson'), '');
  writeFileSync(join(store.paths.builds, 'note'), '');
  expect(await all(store)).toHaveLength(1);
});

test('a record that lacks something hides no other one', async () => {
  const store = place();
  recordBuild(store, ORIGIN).end(GAIN);
  const put = (id: string, ...rows: readonly object[]) =>
    writeFileSync(
      join(store.paths.builds, `0000000009999-${id}.ndjson`),
      rows.map((row) => `${JSON.stringify(row)}\n`).join(''),
    );
  const header = { type: 'build', version: 1, id: 'cccccccc', started: 1, process: 'x', ...ORIGIN };
  put('aaaaaaaa', { type: 'build', version: 1, id: 'aaaaaaaa' });
  put('bbbbbbbb', { ...header, started: 'x' });
  put('cccccccc', header, { type: 'result', outcome: 'ok', totals: {} });
  mkdirSync(join(store.paths.builds, '0000000009999-dddddddd.ndjson'));
  expect(await all(store)).toMatchObject([
    { status: 'ok' },
    { status: 'killed', durationMs: 0, totals: { cached: 0, executed: 0 } },
  ]);
});
