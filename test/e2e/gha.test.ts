/** type=gha: keys that can't be written again, branches, signed URLs, and what GitHub removes. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { GhaServer } from '../support/gha.js';
import { startGha } from '../support/gha.js';
import { warmMachines } from '../support/warm-command.js';
import type { BuildEvent } from '../support/wiac.js';
import { context, dockerfile, ranSteps } from '../support/wiac.js';

const machine = warmMachines();

let gha: GhaServer;
beforeEach(async () => {
  gha = await startGha();
});
afterEach(() => gha.stop());

const steps = (...names: string[]) =>
  context({ Dockerfile: dockerfile(...names.map((name) => `RUN echo ${name} > /${name}`)) });
const place = (token = gha.token(), more = '') =>
  `type=gha,url_v2=${gha.url},token=${token}${more}`;
const to = (...args: Parameters<typeof place>) => `--cache-to=${place(...args)},mode=max`;
const from = (...args: Parameters<typeof place>) => `--cache-from=${place(...args)}`;
const warnings = (events: readonly BuildEvent[]) =>
  events.filter(({ type }) => type === 'warning').map(({ message }) => String(message));
const calls = (method: string) => gha.log.filter((line) => line.startsWith(`${method} `));
const lists = () => gha.entries.map(({ key }) => key).filter((key) => key.startsWith('wiac-list'));

test('settings come from the job; nothing is written twice; each list is a new key', async () => {
  const root = steps('a', 'b');
  const env = { ACTIONS_RESULTS_URL: gha.url, ACTIONS_RUNTIME_TOKEN: gha.token() };
  const build = ['build', '--progress=plain', '--cache-to=type=gha,mode=max'];
  const made = await machine().wiac([...build, root], { env });
  expect(made.stderr).toContain('0 steps cached, 3 run');
  // Three layers, the entries, their manifest.
  expect(gha.entries).toHaveLength(5);
  expect(gha.entries.every(({ finished }) => finished)).toBe(true);
  const found = await machine().wiac([...build, '--cache-from=type=gha', root], { env });
  expect(found.stderr).toContain('3 steps cached, 0 run');
  expect(found.stderr).not.toContain('warning');
  expect(gha.entries).toHaveLength(5);
  await machine().wiac([...build, '--cache-from=type=gha', steps('a', 'c')], { env });
  expect(lists()).toEqual(['wiac-list-1-wiac#000001', 'wiac-list-1-wiac#000002']);
  expect(ranSteps((await machine().build(root, from())).events)).toEqual([]);
});

test('a branch sees the cache of the default branch, and no other', async () => {
  const root = steps('a');
  await machine().build(root, to(gha.token('main')));
  const branch = gha.token('refs/heads/x');
  expect(ranSteps((await machine().build(root, from(branch))).events)).toEqual([]);
  await machine().build(steps('x'), from(branch), to(branch));
  expect(ranSteps((await machine().build(steps('x'), from(branch))).events)).toEqual([]);
  const other = gha.token('refs/heads/y');
  expect(ranSteps((await machine().build(steps('x'), from(other))).events)).toHaveLength(1);
  // A scope whose name begins with another one's is another cache, and scopes are asked in their order.
  await machine().build(steps('long'), to(branch, ',scope=wiac-long'));
  expect(ranSteps((await machine().build(root, from(branch))).events)).toEqual([]);
  const both = from(branch, ',scope=none,scope=wiac-long,scope=wiac');
  const built = await machine().build(steps('long'), both);
  expect([ranSteps(built.events), warnings(built.events)]).toEqual([[], []]);
});

test('a layer of several blocks; a block that fails is sent again', async () => {
  const root = context({
    Dockerfile: dockerfile('RUN head -c 20000000 /dev/urandom > /large && sha256sum /large > /sum'),
  });
  let failures = 2;
  gha.fail = (method) => {
    if (method !== 'PUT' || failures === 0) return undefined;
    failures -= 1;
    return 503;
  };
  const made = await machine().build(root, to());
  expect(failures).toBe(0);
  // A layer, three blocks, their list, the entries, the manifest.
  expect(calls('PUT 201')).toHaveLength(7);
  const found = await machine().build(root, from());
  expect([ranSteps(found.events), warnings(found.events)]).toEqual([[], []]);
  expect(made.lowerdirs.split(':')).toHaveLength(found.lowerdirs.split(':').length);
});

describe('when GitHub is in trouble', () => {
  test('429 and 500 pass, an expired URL is signed anew', async () => {
    const root = steps('a');
    const counts = new Map<string, number>();
    gha.fail = (method, key) => {
      const name = `${method} ${key}`;
      const count = counts.get(name) ?? 0;
      counts.set(name, count + 1);
      return [429, 500][count];
    };
    await machine().build(root, to());
    gha.expired = 1;
    const found = await machine().build(root, from());
    expect([ranSteps(found.events), warnings(found.events)]).toEqual([[], []]);
    expect(calls('GET 403')).toHaveLength(1);
  });

  test.each([
    ['a token of nobody', () => ({ token: 'x' }), 'ACTIONS_RUNTIME_TOKEN lasts as long as its job'],
    ['a job that may only read', () => ({ token: gha.token('main', 'read') }), 'ignore-error=true'],
    ['a limit that does not pass', () => ({ status: 429 }), 'limits how often a repository uses'],
    ['no time', () => ({ more: ',timeout=1ms' }), 'timeout= gives it more time'],
  ] as const)(
    '%s: an error says what to do, ignore-error makes it a warning',
    async (_, get, hint) => {
      const { token, status, more }: { token?: string; status?: number; more?: string } = get();
      if (status !== undefined) gha.fail = () => status;
      const cache = `--cache-to=${place(token, more)}`;
      const failed = await machine().wiac(['build', cache, steps('a')]);
      expect([failed.exitCode, failed.stderr]).toEqual([11, expect.stringContaining(hint)]);
      expect(failed.stderr).not.toContain(gha.token().slice(0, 10));
      const ignored = await machine().build(steps('a'), `${cache},ignore-error=true`);
      expect(warnings(ignored.events)).toEqual([expect.stringContaining('was not written')]);
    },
  );
});

test('a list that was written a moment ago, and is not seen yet, is not written again', async () => {
  await machine().build(steps('a'), to());
  gha.fail = (method, key) => {
    // From the second list on: it is there, and seven look-ups do not see it.
    if (method === 'FinalizeCacheEntryUpload' && key.startsWith('wiac-list')) gha.late = 7;
    return undefined;
  };
  await machine().build(steps('b'), to());
  expect([lists().length, gha.late]).toEqual([2, 0]);
  const built = await machine().build(steps('a'), from());
  expect([ranSteps(built.events), warnings(built.events)]).toEqual([[], []]);
});

test('wiac cache gc and cache mounts ls take it as well', async () => {
  await machine().build(steps('a', 'b'), to());
  const gc = await machine().wiac(['cache', 'gc', place(), '--max-entries=1']);
  expect(gc.stdout).toBe('2 of 3 entries removed\n');
  const mounts = await machine().wiac(['cache', 'mounts', 'ls', place()]);
  expect([mounts.exitCode, mounts.stderr]).toEqual([0, '']);
});

describe('keys that are taken', () => {
  /** Jobs that were killed between the reservation of a key and its blob. */
  function killAtUpload(pattern: RegExp): void {
    gha.fail = (method, key) => (method === 'PUT' && pattern.test(key) ? 403 : undefined);
  }

  test('by a job that was killed: another key takes its place', async () => {
    // On one machine, so that the blobs are the same each time.
    const [a, root] = [machine(), steps('a')];
    for (const pattern of [/^wiac-blob/, /^wiac-list/]) {
      killAtUpload(pattern);
      expect((await a.wiac(['build', to(), root])).exitCode).toBe(11);
    }
    gha.fail = undefined;
    expect(gha.entries.filter(({ finished }) => !finished).length).toBeGreaterThan(1);
    await a.build(root, to());
    const found = await machine().build(root, from());
    expect([ranSteps(found.events), warnings(found.events)]).toEqual([[], []]);
    expect(lists()).toEqual(['wiac-list-1-wiac#000001', 'wiac-list-1-wiac#000002']);
  });

  test('merge=false takes the next one, whoever wrote meanwhile', async () => {
    await machine().build(steps('a'), to());
    await machine().build(steps('b'), to(gha.token(), ',merge=false'));
    expect(ranSteps((await machine().build(steps('a'), from())).events)).toHaveLength(1);
    expect(ranSteps((await machine().build(steps('b'), from())).events)).toEqual([]);
  });
});

describe('a blob that GitHub has removed', () => {
  /** Removes the blobs of layers, but not the lists. */
  function evict(keep: ReadonlySet<string>): void {
    for (const entry of gha.entries)
      if (entry.key.startsWith('wiac-blob') && !keep.has(entry.key)) entry.ref = 'removed';
  }
  /** Keys by which entries of the newest list are had. */
  const listBlob = () => gha.entries.filter(({ key }) => key.startsWith('wiac-blob')).at(-1)?.key;

  test('its step runs again, the others are hits, and it is written again', async () => {
    const root = context({
      Dockerfile: [
        'FROM scratch AS one',
        'COPY bin /bin',
        'RUN echo one > /one',
        'FROM scratch AS two',
        'COPY bin /bin',
        'RUN echo two > /two',
        'FROM scratch',
        'COPY --from=one /one /',
        'COPY --from=two /two /',
        '',
      ].join('\n'),
    });
    await machine().build(root, to());
    const list = String(listBlob());
    evict(new Set([list]));
    const before = gha.entries.length;
    const rebuilt = await machine().build(root, from(), to());
    expect(warnings(rebuilt.events)).toEqual([
      expect.stringContaining('does not deliver all layers'),
    ]);
    expect(ranSteps(rebuilt.events).length).toBeGreaterThan(0);
    expect(gha.entries.length).toBeGreaterThan(before);
    const found = await machine().build(root, from());
    expect([ranSteps(found.events), warnings(found.events)]).toEqual([[], []]);
  });

  test('a job that only passes entries on does not fail for it', async () => {
    const root = steps('a', 'b');
    const a = machine();
    await a.build(root, to());
    const list = String(listBlob());
    const build = (...flags: string[]) => machine().build(root, ...flags);
    evict(new Set([list]));
    // Nothing of the result is asked for: the layers are where they were, or nowhere.
    await build(from(), to());
    const found = await build(from());
    expect([ranSteps(found.events), warnings(found.events)]).toEqual([[], []]);
  });
});

test.each([
  ['', {}, 'url_v2 is missing', 'ACTIONS_RUNTIME_TOKEN and ACTIONS_RESULTS_URL'],
  ['', { ACTIONS_RESULTS_URL: 'http://127.0.0.1:1' }, 'token is missing', 'run:'],
  [
    ',url_v2=http://127.0.0.2:1',
    { ACTIONS_RESULTS_URL: 'http://127.0.0.1:1', ACTIONS_RUNTIME_TOKEN: 'hunter2' },
    'token is missing',
    '',
  ],
  [',url_v2=nowhere,token=a', {}, 'is no URL', ''],
  [',url_v2=http://127.0.0.1:1,token=a,timeout=soon', {}, 'timeout is a duration', ''],
  [',version=1', {}, 'version=1 is not supported', 'switched it off'],
  [',nonsense=1,token=hunter2', { ACTIONS_RESULTS_URL: 'http://127.0.0.1:1' }, 'nonsense', '***'],
])('type=gha%s is refused', async (attributes, env, problem, hint) => {
  const none = { ACTIONS_RESULTS_URL: '', ACTIONS_RUNTIME_TOKEN: '' };
  const flags = ['build', `--cache-from=type=gha${attributes}`, steps('a')];
  const { exitCode, stderr } = await machine().wiac(flags, { env: { ...none, ...env } });
  expect(exitCode).toBe(2);
  expect(stderr).toContain(problem);
  expect(stderr).toContain(hint);
  expect(stderr).not.toContain('hunter2');
});
