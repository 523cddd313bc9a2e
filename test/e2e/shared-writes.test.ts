/** Jobs that write to one shared cache: at once, one after the other, and when they fail or are killed. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { GhaServer } from '../support/gha.js';
import { startGha } from '../support/gha.js';
import type { Registry } from '../support/registry.js';
import { startRegistry } from '../support/registry.js';
import { warmMachines } from '../support/warm-command.js';
import type { BuildEvent } from '../support/wiac.js';
import { context, dockerfile, machine, ranSteps, tempDir, WIAC } from '../support/wiac.js';

/** What is about jobs at once, or a signal, has processes of its own. */
const warmMachine = warmMachines();

let registry: Registry;
let gha: GhaServer;
beforeAll(async () => {
  registry = await startRegistry();
  gha = await startGha();
});
afterAll(async () => {
  await registry.stop();
  await gha.stop();
});

const job = (name: string) => context({ Dockerfile: dockerfile(`RUN echo ${name} > /${name}`) });
const warnings = (events: readonly BuildEvent[]) =>
  events.filter(({ type }) => type === 'warning').map(({ message }) => String(message));

/** A directory to be written and read as a cache. */
function localCache() {
  const directory = join(tempDir(), 'cache');
  const read = (path: string) => JSON.parse(readFileSync(join(directory, path), 'utf8'));
  const blob = (digest: string) => read(`blobs/${digest.replace(':', '/')}`);
  return {
    directory,
    to: `--cache-to=type=local,dest=${directory},mode=max`,
    from: `--cache-from=type=local,src=${directory}`,
    list: () => blob(blob(read('index.json').manifests[0].digest).config.digest),
  };
}

/** Puts another list in the place of a cache's, as a job could that means ill. */
function rewriteList(directory: string, former: string, list: unknown): void {
  const path = (digest: string) => join(directory, 'blobs', digest.replace(':', '/'));
  const put = (text: string) => {
    const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`;
    writeFileSync(path(digest), text);
    return { digest, size: Buffer.byteLength(text) };
  };
  const index = JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8'));
  const [named] = index.manifests;
  const manifest = JSON.parse(readFileSync(path(named.digest), 'utf8'));
  expect(manifest.config.digest).toBe(former);
  Object.assign(manifest.config, put(JSON.stringify(list)));
  Object.assign(named, put(JSON.stringify(manifest)));
  writeFileSync(join(directory, 'index.json'), JSON.stringify(index));
}

const texts = (list: { entries: { inputs: { text: string } }[] }) =>
  list.entries.map(({ inputs }) => inputs.text).sort();

describe.each([
  ['a directory', () => localCache()],
  [
    'a registry',
    () => {
      const reference = `${registry.host}/jobs:${Date.now()}`;
      return {
        to: `--cache-to=type=registry,ref=${reference},mode=max`,
        from: `--cache-from=${reference}`,
      };
    },
  ],
  [
    'GitHub Actions',
    () => {
      const place = `type=gha,url_v2=${gha.url},token=${gha.token()}`;
      return { to: `--cache-to=${place},mode=max`, from: `--cache-from=${place}` };
    },
  ],
])('%s', (_, make) => {
  test('four jobs at once: none of them loses what another one wrote', async () => {
    const { to, from } = make();
    const roots = ['a', 'b', 'c', 'd'].map(job);
    await Promise.all(roots.map((root) => machine().build(root, to)));
    for (const root of roots)
      expect(ranSteps((await warmMachine().build(root, from)).events)).toEqual([]);
  });
});

test('a job that fails leaves the steps that it has finished to the next one', async () => {
  const { to, from, list } = localCache();
  const root = context({ Dockerfile: dockerfile('RUN echo 1 > /one', 'RUN false') });
  const failed = await warmMachine().wiac(['build', to, root]);
  expect(failed.exitCode).toBe(5);
  expect(texts(list())).toEqual(['COPY bin /bin', 'RUN echo 1 > /one']);
  writeFileSync(join(root, 'Dockerfile'), dockerfile('RUN echo 1 > /one', 'RUN true'));
  expect(ranSteps((await warmMachine().build(root, from)).events)).toEqual(['RUN true']);
});

test.each([
  ['killed', 'SIGKILL'],
  ['cancelled', 'SIGINT'],
] as const)('a job that is %s in the middle of a step does so, too', async (_, signal) => {
  const { to, from, directory, list } = localCache();
  const root = context({ Dockerfile: dockerfile('RUN echo 1 > /one', 'RUN sleep 30') });
  const build = execa(process.execPath, [WIAC, 'build', '--progress=plain', to, root], {
    reject: false,
    env: { WIAC_ROOT: join(tempDir(), 'store') },
  });
  // What is cancelled writes at its end; what is killed has to have written before.
  let said = '';
  build.stderr.on('data', (chunk) => {
    said += String(chunk);
  });
  const isThere = () =>
    signal === 'SIGINT'
      ? said.includes('RUN sleep 30')
      : existsSync(join(directory, 'index.json')) && list().entries.length === 2;
  while (!isThere()) await new Promise((resume) => setTimeout(resume, 50));
  build.kill(signal);
  expect((await build).exitCode === 0).toBe(false);
  expect(texts(list())).toEqual(['COPY bin /bin', 'RUN echo 1 > /one']);
  writeFileSync(join(root, 'Dockerfile'), dockerfile('RUN echo 1 > /one'));
  expect(ranSteps((await warmMachine().build(root, from)).events)).toEqual([]);
});

test('the first job finds nothing in the cache that it writes: that is expected', async () => {
  const local = localCache();
  const reference = `${registry.host}/first:v`;
  const there = { to: `--cache-to=${reference}`, from: `--cache-from=${reference}` };
  for (const { to, from } of [local, there]) {
    expect(warnings((await warmMachine().build(job('first'), from, to)).events)).toEqual([]);
    expect(warnings((await warmMachine().build(job('first'), `${from}2`, to)).events)).toHaveLength(
      1,
    );
  }
});

test('a registry that answers no more does not keep a build that is cancelled', async () => {
  let reached = () => {};
  const upload = new Promise<void>((resume) => {
    reached = resume;
  });
  const server = createServer((request, response) => {
    if (request.method === 'POST') return reached();
    response.writeHead(request.url === '/v2/' ? 200 : 404).end('{}');
  });
  await new Promise<void>((resume) => server.listen(0, '127.0.0.1', resume));
  const { port } = server.address() as AddressInfo;
  try {
    const root = context({ Dockerfile: dockerfile('RUN sleep 120') });
    const to = `--cache-to=type=registry,ref=127.0.0.1:${port}/jobs:slow`;
    const build = execa(process.execPath, [WIAC, 'build', '-q', to, root], {
      reject: false,
      env: { WIAC_ROOT: join(tempDir(), 'store') },
    });
    await upload;
    build.kill('SIGINT');
    expect((await build).exitCode).toBe(130);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}, 30_000);

test('a blob that is named and not there is written again', async () => {
  const { to, from, directory, list } = localCache();
  const root = job('lost');
  const made = warmMachine();
  await made.build(root, to);
  for (const { blob } of list().layers)
    rmSync(join(directory, 'blobs', blob.digest.replace(':', '/')));
  await made.build(root, to);
  const { events } = await warmMachine().build(root, from);
  expect({ ran: ranSteps(events), warnings: warnings(events) }).toEqual({ ran: [], warnings: [] });
});

test('a use of the year 30000 crowds nothing out, and is gone with the next write', async () => {
  const { to, directory, list } = localCache();
  await warmMachine().build(job('first'), to);
  const manifest = JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8')).manifests[0];
  const path = (digest: string) => join(directory, 'blobs', digest.replace(':', '/'));
  const config = JSON.parse(readFileSync(path(manifest.digest), 'utf8')).config.digest;
  const hostile = list();
  for (const entry of hostile.entries) entry.used = 10_000_000;
  // What is read is checked against its digest: all names change with it.
  rewriteList(directory, config, hostile);
  await warmMachine().build(job('second'), `${to},max-entries=2`);
  expect(texts(list())).toContain('RUN echo second > /second');
  for (const { used } of list().entries) expect(used).toBeLessThan(100_000);
});

test('a build that changes nothing writes nothing', async () => {
  const { to, from, directory } = localCache();
  const root = job('same');
  await warmMachine().build(root, to);
  const index = join(directory, 'index.json');
  utimesSync(index, 1, 1);
  await warmMachine().build(root, to, from);
  expect(statSync(index).mtimeMs).toBe(1000);
});

test('of several references the first one counts that has a step; one that is not there is expected', async () => {
  const name = (branch: string) => `${registry.host}/app/cache:${branch}-${process.pid}`;
  const root = context({
    Dockerfile: dockerfile('RUN head -c 9 /dev/urandom | base64 > /unique', 'RUN echo 2 > /two'),
  });
  const main = warmMachine();
  const made = await main.build(root, `--cache-to=type=registry,ref=${name('main')},mode=max`);
  const refs = (...branches: string[]) =>
    `--cache-from=type=registry,${branches.map((branch) => `ref=${name(branch)}`).join()}`;
  const first = await warmMachine().build(root, refs('feature', 'main'));
  expect(ranSteps(first.events)).toEqual([]);
  expect(warnings(first.events)).toEqual([]);
  // Another result under the branch's name comes first.
  const branch = warmMachine();
  await branch.build(root, `--cache-to=type=registry,ref=${name('feature')},mode=max`);
  const cat = async (where: string) => {
    const b = warmMachine();
    const { lowerdirs } = await b.build(root, where);
    return (await b.wiac(['run', lowerdirs, join(tempDir(), 'c'), '/bin/cat', '/unique'])).stdout;
  };
  const own = (
    await main.wiac(['run', made.lowerdirs, join(tempDir(), 'c'), '/bin/cat', '/unique'])
  ).stdout;
  expect(await cat(refs('main', 'feature'))).toBe(own);
  expect(await cat(refs('feature', 'main'))).not.toBe(own);
});

describe('signed', () => {
  const keys = () => {
    const directory = tempDir();
    const [own, open] = [join(directory, 'key'), join(directory, 'public')];
    execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', own]);
    execFileSync('openssl', ['pkey', '-in', own, '-pubout', '-out', open]);
    return { sign: `,sign-key=${own}`, trust: `,trust-key=${open}` };
  };

  test('jobs with the key add to each other; without it a job is refused', async () => {
    const { to, from } = localCache();
    const { sign, trust } = keys();
    const roots = ['a', 'b'].map(job);
    for (const root of roots) await warmMachine().build(root, to + sign);
    for (const root of roots)
      expect(ranSteps((await warmMachine().build(root, from + trust)).events)).toEqual([]);
    const refused = await warmMachine().wiac(['build', to, job('c')]);
    expect(refused).toMatchObject({ exitCode: 11, stderr: expect.stringContaining('is signed') });
  });

  test('the config file names keys for all caches', async () => {
    const { to, from } = localCache();
    const { sign, trust } = keys();
    const config = join(tempDir(), 'config.json');
    const file = trust.replace(',trust-key=', '');
    writeFileSync(config, JSON.stringify({ cache: { trustKeys: [file] } }));
    const root = job('a');
    await warmMachine().build(root, to);
    const build = ['build', '--progress=plain', from, root];
    const refused = await warmMachine().wiac(build, { env: { WIAC_CONFIG: config } });
    expect(refused.stderr).toMatch(/are not signed.*2 run/s);
    await warmMachine().build(root, `${to}${sign}`);
    const taken = await warmMachine().wiac(build, { env: { WIAC_CONFIG: config } });
    expect(taken.stderr).toContain('2 steps cached, 0 run');
    writeFileSync(config, JSON.stringify({ cache: { trustKey: file } }));
    const wrong = await warmMachine().wiac(build, { env: { WIAC_CONFIG: config } });
    expect(wrong).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('cache.trustKey') });
  });

  test('nobody signs what others wrote', async () => {
    const { to, list } = localCache();
    const { sign } = keys();
    await warmMachine().build(job('foreign'), to);
    await warmMachine().build(job('own'), to + sign);
    expect(texts(list())).toEqual(['COPY bin /bin', 'RUN echo own > /own']);
    await warmMachine().build(job('other'), to + keys().sign);
    expect(texts(list())).toEqual(['COPY bin /bin', 'RUN echo other > /other']);
  });
});

test('cache gc keeps what was used last, and removes old blobs that nothing names', async () => {
  const { to, from, directory, list } = localCache();
  const made = warmMachine();
  for (const name of ['a', 'b', 'c']) await made.build(job(name), to);
  const before = list();
  expect(texts(before)).toHaveLength(4);
  for (const { blob } of before.layers)
    utimesSync(join(directory, 'blobs', blob.digest.replace(':', '/')), 1, 1);
  const gc = ['cache', 'gc', `type=local,dest=${directory}`, '--max-entries=2', '--max-age=3d'];
  const { stdout, exitCode } = await made.wiac(gc);
  expect({ stdout, exitCode }).toEqual({
    exitCode: 0,
    stdout: expect.stringMatching(/^2 of 4 entries removed, .* freed\n$/),
  });
  expect(list().entries).toHaveLength(2);
  const { events } = await warmMachine().build(job('c'), from);
  expect(warnings(events)).toEqual([]);
  expect((await made.wiac(['cache', 'gc', `type=local,dest=${directory}/none`])).exitCode).toBe(11);
});

describe('a poisoned cache is not used, and does no harm', () => {
  /** Puts another list in the place of a cache's own. */
  function poison(directory: string, change: (text: string) => string): void {
    const path = (digest: string) => join(directory, 'blobs', digest.replace(':', '/'));
    const sum = (file: string) =>
      execFileSync('sha256sum', [file], { encoding: 'utf8' }).slice(0, 64);
    const put = (text: string) => {
      const draft = join(tempDir(), 'draft');
      writeFileSync(draft, text);
      const digest = `sha256:${sum(draft)}`;
      writeFileSync(path(digest), text);
      return { digest, size: statSync(draft).size };
    };
    const index = JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8'));
    const manifest = JSON.parse(readFileSync(path(index.manifests[0].digest), 'utf8'));
    const list = put(change(readFileSync(path(manifest.config.digest), 'utf8')));
    Object.assign(manifest.config, list);
    Object.assign(index.manifests[0], put(JSON.stringify(manifest)));
    writeFileSync(join(directory, 'index.json'), JSON.stringify(index));
  }

  test.each<
    [
      string,
      (list: { layers: unknown[]; entries: Record<string, unknown>[] }) => unknown,
      RegExp | undefined,
    ]
  >([
    [
      'a million entries',
      (list) => ({ ...list, entries: Array.from({ length: 1_000_000 }, () => ({})) }),
      /contradicts itself/,
    ],
    [
      'a layer that lies below itself',
      (list) => {
        for (const entry of list.entries) entry.parents = { base: [entry.layer], reads: [] };
        return list;
      },
      undefined,
    ],
    ['a place that is no number', (list) => ({ ...list, layers: [{ diffId: 1 }] }), /valid digest/],
  ])('%s', async (_, change, message) => {
    const { to, from, directory } = localCache();
    const root = job('poison');
    await warmMachine().build(root, to);
    poison(directory, (text) => JSON.stringify(change(JSON.parse(text))));
    const made = warmMachine();
    const { events } = await made.build(root, from);
    // What an entry stands on does not count where its content is the same.
    const isFound = message === undefined;
    expect(ranSteps(events)).toHaveLength(isFound ? 0 : 2);
    expect(warnings(events)).toEqual(isFound ? [] : [expect.stringMatching(message)]);
    expect((await made.wiac(['cache', 'verify'])).exitCode).toBe(0);
  });
});
