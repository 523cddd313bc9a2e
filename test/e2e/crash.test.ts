/**
 * kill -9 at every place between two effects, and at random ones: `cache verify` finds no damage,
 * and the next build makes the same files as one in an empty store and clears everything up.
 * WIAC_CRASH_KILLS is the number of random kills, WIAC_CRASH_ALL=1 kills at every single passage
 * instead of at the first (build in an empty store) or the last of each kind.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { buildHere, inspectHere, verifyHere } from '../support/in-process.js';
import { describeLayers } from '../support/tree.js';
import { context, dockerfile, machine, mountsBelow, WIAC } from '../support/wiac.js';

const ARMED = join(process.cwd(), 'dist-checkpoints/wiac.cjs');

const server = createServer((_, response) => response.end('downloaded'));
let place: string;

/** One command, in a store that was prepared for it. */
interface Operation {
  readonly args: readonly string[];
  /** Copied for each kill. */
  readonly store: string;
  /** A boot id of its own: what is not on disk is dropped. */
  readonly rebooted?: boolean;
}

/** Where the store is when the command runs. */
function getStore(name: string): string {
  return join(place, 'stores', name);
}

/** Runs a command of the bundle with checkpoints; `crashAt` is NAME@COUNT. */
async function run(operation: Operation, store: string, log: string, crashAt = '') {
  const command = [process.execPath, ARMED, ...operation.args];
  const boot = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"';
  const [file = '', ...args] = operation.rebooted
    ? ['unshare', '--mount', 'sh', '-c', boot, join(place, 'boot'), ...command]
    : command;
  return execa(file, args, {
    reject: false,
    stdin: 'ignore',
    env: { WIAC_ROOT: store, WIAC_TEST_CHECKPOINTS: log, WIAC_TEST_CRASH_AT: crashAt },
  });
}

let operations: Readonly<Record<string, Operation>>;
let fresh: Readonly<Record<'first' | 'edited', readonly string[]>>;
/** Build contexts: as it is at first, and with one file changed. */
let first: string;
let edited: string;

async function copyTree(from: string, to: string): Promise<void> {
  await execa('cp', ['-a', from, to]);
}

const layoutOfBase = () => `oci-layout://${join(place, 'layout')}:base`;

/** A context with each kind of step. The base image comes from an OCI layout. */
async function prepareContexts(): Promise<void> {
  const { port } = server.address() as AddressInfo;
  const base = context({ Dockerfile: dockerfile() });
  await buildHere(getStore('base'), base, { names: ['base'] });
  const layout = layoutOfBase();
  const pushed = await execa(process.execPath, [WIAC, 'push', 'base', layout], {
    env: { WIAC_ROOT: getStore('base') },
  });
  expect(pushed.exitCode).toBe(0);
  first = join(place, 'first');
  await copyTree(
    context({
      Dockerfile: `FROM scratch AS data
COPY files/sub /
FROM ${layout} AS one
COPY files /files
RUN --mount=type=cache,target=/c,from=data echo one > /one && ls /c > /cache
FROM ${layout}
ADD http://127.0.0.1:${port}/file /file
WORKDIR /made/here
COPY --from=one /files /files
COPY --from=one /one /cache /
COPY files /other
RUN rm /files/a && mkdir /files/d && echo x > /files/d/x
`,
      'files/a': 'a',
      'files/b': 'b',
      'files/sub/c': 'c',
      'files/link': '-> b',
    }),
    first,
  );
  edited = join(place, 'edited');
  await copyTree(first, edited);
  writeFileSync(join(edited, 'files/b'), 'changed');
}

async function prepareOperations(): Promise<void> {
  fresh = {
    first: await describeLayers((await buildHere(getStore('fresh1'), first)).lowerdirs),
    edited: await describeLayers((await buildHere(getStore('fresh2'), edited)).lowerdirs),
  };
  await buildHere(getStore('built'), first, { names: ['image'] });
  // An entry whose layer nobody needs, with a blob.
  const alone = context({ Dockerfile: dockerfile('RUN echo alone > /alone') });
  await buildHere(getStore('alone'), alone, { names: ['alone'] });
  const { stdout } = await execa(process.execPath, [WIAC, 'cache', 'ls', '--format=json'], {
    env: { WIAC_ROOT: getStore('built') },
  });
  const getKey = (text: string) =>
    JSON.parse(stdout).find((entry: { text: string }) => entry.text.startsWith(text)).key;
  await copyTree(getStore('built'), getStore('unnamed'));
  const shared = join(place, 'shared');
  const cacheTo = `--cache-to=type=local,dest=${shared},mode=max`;
  await execa(process.execPath, [WIAC, 'build', '-q', cacheTo, first], {
    env: { WIAC_ROOT: getStore('sharing') },
  });
  operations = {
    'a build in an empty store': { args: ['build', '-q', '-t', 'image', first], store: '' },
    'a build with one file changed': {
      args: ['build', '-q', '-t', 'image', edited],
      store: getStore('built'),
    },
    'a push': {
      args: ['push', 'image', `oci-layout://${join(place, 'pushed')}:x`],
      store: getStore('built'),
    },
    'a pull': { args: ['pull', layoutOfBase()], store: '' },
    'a build from a shared cache': {
      args: ['build', '-q', '-t', 'image', `--cache-from=type=local,src=${shared}`, first],
      store: '',
    },
    'a prune': { args: ['cache', 'prune', '--all'], store: getStore('fresh1') },
    'a removal': { args: ['cache', 'rm', getKey('RUN rm /files/a')], store: getStore('fresh1') },
    'the first command after a power cut': {
      args: ['cache', 'ls'],
      store: getStore('built'),
      rebooted: true,
    },
  };
}

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'wiac-crash-'));
  writeFileSync(join(place, 'boot'), '11111111-2222-3333-4444-555555555555\n');
  await execa('mkdir', [join(place, 'stores')]);
  await new Promise<void>((resume) => server.listen(0, '127.0.0.1', resume));
  await prepareContexts();
  await prepareOperations();
});

afterAll(() => {
  server.close();
  rmSync(place, { recursive: true, force: true });
});

/** No damage now; the next build makes the same files, and leaves nothing of the killed process. */
async function expectSound(store: string, which: 'first' | 'edited'): Promise<void> {
  expect(mountsBelow(store)).toEqual([]);
  const damage = (await verifyHere(store)).filter(({ severity }) => severity === 'damage');
  expect(damage).toEqual([]);
  const { lowerdirs } = await buildHere(store, which === 'first' ? first : edited);
  expect(await describeLayers(lowerdirs)).toEqual(fresh[which]);
  const left = (await inspectHere(store)).filter(
    // A blob that was placed for a layer that came to nothing is used when that is made again.
    ({ problem }) => problem !== 'is the blob of no layer',
  );
  expect(left).toEqual([]);
  expect(readdirSync(join(store, 'tmp'))).toEqual([]);
}

/** The passages at which a command is killed: the first or the last of each kind, or all. */
function passages(log: string, which: 'first' | 'last'): string[] {
  const counts = new Map<string, number>();
  const all: string[] = [];
  for (const name of readFileSync(log, 'utf8').split('\n').filter(Boolean)) {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    all.push(`${name}@${count}`);
  }
  if (process.env.WIAC_CRASH_ALL) return all;
  return [...counts].map(([name, count]) => `${name}@${which === 'first' ? 1 : count}`);
}

const seen = new Set<string>();

describe('kill -9 at every checkpoint', () => {
  test.each([
    'a build in an empty store',
    'a build with one file changed',
    'a push',
    'a pull',
    'a build from a shared cache',
    'a prune',
    'a removal',
    'the first command after a power cut',
  ])('of %s', async (name) => {
    const operation = operations[name];
    if (!operation) throw new Error(name);
    const kill = async (crashAt: string | undefined) => {
      const work = mkdtempSync(join(place, 'kill-'));
      const store = join(work, 'store');
      if (operation.store !== '') await copyTree(operation.store, store);
      const log = join(work, 'log');
      const result = await run(operation, store, log, crashAt);
      if (crashAt === undefined) expect(result).toMatchObject({ exitCode: 0 });
      else if (operation.rebooted) expect(result.exitCode).not.toBe(0);
      // How often steps that run beside each other pass a place together differs from run to run.
      else if (result.exitCode !== 0 || crashAt.endsWith('@1'))
        expect({ crashAt, signal: result.signal }).toEqual({ crashAt, signal: 'SIGKILL' });
      return { work, store, log };
    };
    const rehearsal = await kill(undefined);
    for (const crashAt of passages(rehearsal.log, operation.store === '' ? 'first' : 'last')) {
      seen.add(crashAt.slice(0, crashAt.indexOf('@')));
      const { work, store } = await kill(crashAt);
      await expectSound(store, operation.args.includes(edited) ? 'edited' : 'first');
      rmSync(work, { recursive: true });
    }
  });

  test('every checkpoint of the sources was among them', () => {
    const names = [...readFileSync('src/util/checkpoint.ts', 'utf8').matchAll(/\| '([a-z:]+)'/g)];
    expect(names.map(([, name]) => name ?? '').filter((name) => !seen.has(name))).toEqual([]);
  });

  test('the command that users get has none', () => {
    const bundle = readdirSync('dist').filter((name) => name.endsWith('.js'));
    for (const name of bundle)
      expect(readFileSync(join('dist', name), 'utf8')).not.toContain('WIAC_TEST_');
  });
});

/** Numbers from 0 to 1 that are the same in each run (Lehmer's generator). */
function* randomNumbers(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (state * 48271) % 2147483647;
    yield state / 2147483647;
  }
}

test('kill -9 at random times, again and again in one store', async () => {
  let { root } = machine();
  const random = randomNumbers(20);
  const kills = Number(process.env.WIAC_CRASH_KILLS ?? 14);
  for (let kill = 1; kill <= kills; kill++) {
    // verify reads all of it each time, and nothing is ever removed.
    if (kill % 50 === 0) ({ root } = machine());
    const which = kill % 3 === 0 ? 'edited' : 'first';
    const path = which === 'first' ? first : edited;
    // Without the cache everything is made again, over what is there.
    const child = execa(process.execPath, [WIAC, 'build', '-q', '--no-cache', path], {
      reject: false,
      stdin: 'ignore',
      env: { WIAC_ROOT: root },
    });
    // Node needs 0.06 s to start: nothing is to be seen of a kill before that.
    await new Promise((resume) => setTimeout(resume, 60 + random.next().value * 400));
    child.kill('SIGKILL');
    await child;
    // What several kills leave together is found as well as what one leaves, in less time.
    const look = kill % 8 === 0 || kill === kills;
    if (look && existsSync(join(root, 'format-version'))) await expectSound(root, which);
  }
}, 900_000);
