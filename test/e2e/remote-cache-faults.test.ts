/** Shared caches that are down, damaged, or written by somebody else; and what must not be in one. */
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { getDigest } from '../../src/oci/blob-digest.js';
import { getTables } from '../../src/store/index/tables.js';
import { closeStore, openStore } from '../../src/store/store.js';
import { freePort, startRegistry } from '../support/registry.js';
import { describeLayers } from '../support/tree.js';
import { warmMachines } from '../support/warm-command.js';
import type { BuildEvent } from '../support/wiac.js';
import { context, dockerfile, machine, ranSteps, tempDir } from '../support/wiac.js';

const warmMachine = warmMachines();

const LINES = ['RUN echo 1 > /one', 'RUN cat /one > /two', 'RUN cat /two > /three'];

function threeSteps(): string {
  return context({ Dockerfile: dockerfile(...LINES) });
}

function warnings(events: readonly BuildEvent[]): string[] {
  return events.filter(({ type }) => type === 'warning').map(({ message }) => String(message));
}

interface Json {
  // biome-ignore lint/suspicious/noExplicitAny: whatever the layout's JSON files hold
  [name: string]: any;
}

function blob(cache: string, digest: string): string {
  return join(cache, 'blobs', digest.replace(':', '/'));
}

function readJson(path: string): Json {
  return JSON.parse(readFileSync(path, 'utf8')) as Json;
}

/** The manifest of a layout with one entry, and its config: the list of entries. */
function openLayout(cache: string): { manifest: Json; list: Json } {
  const [root] = readJson(join(cache, 'index.json')).manifests;
  const manifest = readJson(blob(cache, root.digest));
  return { manifest, list: readJson(blob(cache, manifest.config.digest)) };
}

/** The entry of an instruction, and the row of its layer. */
function rowOf(list: Json, text: string): { entry: Json; layer: Json } {
  const entry = list.entries.find((each: Json) => each.inputs.text === text);
  return { entry, layer: list.layers[entry.layer] };
}

const [ONE, TWO, THREE] = ['RUN echo 1 > /one', 'RUN cat /one > /two', 'RUN cat /two > /three'];

/** Puts another list, and whatever is told of its manifest, in the place of a layout's own. */
function rewrite(cache: string, list: Json, change: Json = {}): void {
  const { manifest } = openLayout(cache);
  const put = (value: Json) => {
    const bytes = Buffer.from(JSON.stringify(value));
    const digest = getDigest(bytes);
    writeFileSync(blob(cache, digest), bytes);
    return { digest, size: bytes.length };
  };
  const config = { ...manifest.config, ...put(list) };
  const index = readJson(join(cache, 'index.json'));
  Object.assign(index.manifests[0], put({ ...manifest, config, ...change }));
  writeFileSync(join(cache, 'index.json'), JSON.stringify(index));
}

async function writtenCache(root: string, ...attributes: string[]): Promise<string> {
  const cache = join(tempDir(), 'cache');
  const to = ['type=local', `dest=${cache}`, 'mode=max', ...attributes].join(',');
  await warmMachine().build(root, `--cache-to=${to}`);
  return cache;
}

describe('a damaged cache', () => {
  // RFC 1952, section 2.3: the time of the file in the header changes nothing of the content. The length at the
  // end does: whether the digest or gzip is found wrong first depends on how the last bytes come in.
  test.each([
    ['its digest', 4, /is damaged: its digest is/],
    ['gzip', -1, /is damaged: its digest is|can't be decompressed \(gzip\)/],
  ])(
    'a layer that is not what %s says: one warning, and the steps run',
    async (_, place, warning) => {
      const root = threeSteps();
      const cache = await writtenCache(root);
      const path = blob(cache, rowOf(openLayout(cache).list, TWO).layer.blob.digest);
      const bytes = readFileSync(path);
      const at = (place + bytes.length) % bytes.length;
      bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
      writeFileSync(path, bytes);
      const made = warmMachine();
      const { events, lowerdirs } = await made.build(root, `--cache-from=type=local,src=${cache}`);
      expect(warnings(events)).toEqual([expect.stringMatching(warning)]);
      expect(events.filter(({ type }) => type === 'failed')).toEqual([]);
      expect(ranSteps(events)).toContain('RUN cat /one > /two');
      const right = await warmMachine().build(root);
      expect(await describeLayers(lowerdirs)).toEqual(await describeLayers(right.lowerdirs));
      // Nothing of the damaged layer stayed: the next build has all it needs.
      const again = await made.build(root);
      expect({ ran: ranSteps(again.events), lowerdirs: again.lowerdirs }).toEqual({
        ran: [],
        lowerdirs,
      });
    },
  );

  test('a layer with another diffID than its entry says', async () => {
    const root = threeSteps();
    const cache = await writtenCache(root);
    const { list } = openLayout(cache);
    rowOf(list, ONE).layer.blob = rowOf(list, TWO).layer.blob;
    rewrite(cache, list);
    const { events } = await warmMachine().build(root, `--cache-from=type=local,src=${cache}`);
    expect(warnings(events)).toEqual([expect.stringContaining('has the diffID')]);
    expect(ranSteps(events)).toContain('RUN echo 1 > /one');
  });

  // They could be the same for two layers, and a step on one would be found as that on the other.
  test('digests of layers that a former version listed are not used', async () => {
    const root = threeSteps();
    const cache = await writtenCache(root);
    const { list } = openLayout(cache);
    expect(rowOf(list, ONE).layer.layerDigest).toMatch(/^[0-9a-f]{64}$/);
    const digest = 'd'.repeat(64);
    rewrite(cache, {
      ...list,
      layers: list.layers.map(({ layerDigest: _, ...layer }: Json) => ({ ...layer, digest })),
    });
    const machine = warmMachine();
    await machine.build(root, `--cache-from=type=local,src=${cache}`);
    const store = await openStore(machine.root);
    const { layers, remoteLayers } = getTables(store);
    const known = [...layers.getRange(), ...remoteLayers.getRange()].map(({ value }) => value);
    await closeStore(store);
    expect(known.length).toBeGreaterThan(0);
    expect(known.filter((layer) => layer.digest === digest)).toEqual([]);
  });

  test('a layer that is missing: the second source has it', async () => {
    const root = threeSteps();
    const [first, second] = [await writtenCache(root), join(tempDir(), 'cache')];
    const other = warmMachine();
    await other.build(
      root,
      `--cache-from=type=local,src=${first}`,
      `--cache-to=type=local,dest=${second}`,
    );
    rmSync(blob(first, rowOf(openLayout(first).list, THREE).layer.blob.digest));
    const { events } = await warmMachine().build(
      root,
      `--cache-from=type=local,src=${first}`,
      `--cache-from=type=local,src=${second}`,
    );
    expect(warnings(events)).toEqual([expect.stringContaining('lacks the blob')]);
    expect(ranSteps(events)).toEqual([]);
  });

  test.each([
    ['no JSON', (): unknown => 'text', 'version undefined'],
    ['another version', (list: Json) => ({ ...list, version: 2 }), 'version 2'],
    [
      'a layer that is none',
      (list: Json) => ({ ...list, layers: [{ diffId: '../x' }] }),
      'without a valid digest',
    ],
    [
      'an entry whose key is another than what it was made of',
      (list: Json) => {
        rowOf(list, TWO).entry.inputs.parents = [rowOf(list, TWO).entry.key];
        return list;
      },
      'contradicts itself',
    ],
    [
      'a place outside of the list',
      (list: Json) => {
        list.entries[1].layer = 99;
        return list;
      },
      'contradicts itself',
    ],
  ])('entries: %s', async (_, change, message) => {
    const root = threeSteps();
    const cache = await writtenCache(root);
    rewrite(cache, change(openLayout(cache).list) as Json);
    const { events } = await warmMachine().build(root, `--cache-from=type=local,src=${cache}`);
    expect(warnings(events)).toEqual([expect.stringContaining(message)]);
    expect(ranSteps(events)).toHaveLength(4);
  });
});

describe('a cache that is not there', () => {
  test('a registry that is down: one line on stderr; required=true makes it an error', async () => {
    const root = threeSteps();
    const reference = `127.0.0.1:${await freePort()}/cache`;
    const made = warmMachine();
    const built = await made.wiac(['build', '--progress=plain', '--cache-from', reference, root]);
    expect(built.exitCode).toBe(0);
    expect(built.stderr.match(/is not used/g)).toHaveLength(1);
    expect(built.stderr).toContain('4 run');
    const flag = `--cache-from=type=registry,ref=${reference},required=true`;
    // A build that needs nothing from it does not even ask.
    expect((await made.wiac(['build', flag, root])).exitCode).toBe(0);
    const refused = await warmMachine().wiac(['build', flag, root]);
    expect(refused).toMatchObject({ exitCode: 11, stdout: '' });
    expect(refused.stderr).toContain('no connection to registry');
  });

  test('a registry that goes down between the entries and the layers', async () => {
    const registry = await startRegistry();
    const reference = `${registry.host}/cache`;
    const [a, b] = [warmMachine(), warmMachine()];
    const root = context({ Dockerfile: dockerfile(...LINES, 'RUN sleep 1'), later: '' });
    await a.build(root, `--cache-to=type=registry,ref=${reference},mode=max`);
    // Hits need no layer; the step that runs after them needs all.
    writeFileSync(
      join(root, 'Dockerfile'),
      `FROM scratch AS wait\nCOPY bin /bin\nRUN sleep 2\n${dockerfile(...LINES, 'RUN --mount=from=wait,target=/w true')}`,
    );
    const running = b.build(root, `--cache-from=${reference}`);
    while (!existsSync(join(b.root, 'blobs'))) await new Promise((next) => setTimeout(next, 20));
    await registry.stop();
    const { events, lowerdirs } = await running;
    expect(warnings(events)).toEqual([expect.stringContaining('is not used')]);
    expect(ranSteps(events)).toEqual(expect.arrayContaining(LINES));
    expect(lowerdirs.split(':')).toHaveLength(5);
  });

  test('a target that can not be written is an error, with ignore-error=true a warning', async () => {
    const root = threeSteps();
    const reference = `127.0.0.1:${await freePort()}/cache`;
    const flag = `--cache-to=type=registry,ref=${reference},ignore-error=true`;
    const { events } = await warmMachine().build(root, flag);
    expect(warnings(events)).toEqual([expect.stringContaining('was not written')]);
    const file = join(root, 'file');
    writeFileSync(file, '');
    const refused = await warmMachine().wiac([
      'build',
      `--cache-to=type=local,dest=${file}/x`,
      root,
    ]);
    expect(refused.exitCode).toBe(11);
    expect(refused.stderr).toContain('cannot write');
  });
});

describe('signatures', () => {
  function keyPair(): { secret: string; open: string } {
    const directory = tempDir();
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const [secret, open] = [join(directory, 'secret.pem'), join(directory, 'open.pem')];
    writeFileSync(secret, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    writeFileSync(open, publicKey.export({ type: 'spki', format: 'pem' }));
    return { secret, open };
  }

  test('only entries that a trusted key signed are used', async () => {
    const [mine, other] = [keyPair(), keyPair()];
    const root = threeSteps();
    const cache = await writtenCache(root, `sign-key=${mine.secret}`);
    const from = `--cache-from=type=local,src=${cache},trust-key=`;
    const right = await warmMachine().build(root, `${from}${other.open},trust-key=${mine.open}`);
    expect({ ran: ranSteps(right.events), said: warnings(right.events) }).toEqual({
      ran: [],
      said: [],
    });
    const stranger = await warmMachine().build(root, `${from}${other.open}`);
    expect(warnings(stranger.events)).toEqual([expect.stringContaining('key that is trusted')]);
    expect(ranSteps(stranger.events)).toHaveLength(4);
    const refused = await warmMachine().wiac(['build', `${from}${other.open},required=true`, root]);
    expect(refused).toMatchObject({ exitCode: 11, stdout: '' });
    // The signature is over every byte of the list.
    const { list } = openLayout(cache);
    rewrite(cache, { ...list, entries: list.entries.slice(1) });
    const changed = await warmMachine().build(root, `${from}${mine.open}`);
    expect(warnings(changed.events)).toEqual([expect.stringContaining('key that is trusted')]);
    rewrite(cache, list, { annotations: {} });
    const unsigned = await warmMachine().build(root, `${from}${mine.open}`);
    expect(warnings(unsigned.events)).toEqual([expect.stringContaining('are not signed')]);
  });

  test('in an image and in an exported file as well', async () => {
    const { secret, open } = keyPair();
    const [a, b] = [warmMachine(), warmMachine()];
    const root = threeSteps();
    await a.build(root, '-t', 'app', `--cache-to=type=inline,sign-key=${secret}`);
    const layout = join(tempDir(), 'layout');
    expect((await a.wiac(['push', 'app', `oci-layout://${layout}:latest`])).exitCode).toBe(0);
    const from = `--cache-from=type=local,src=${layout},trust-key=${open}`;
    expect(ranSteps((await b.build(root, from)).events)).toEqual([]);
    const file = join(tempDir(), 'cache.tar');
    await a.wiac(['cache', 'export', '--sign-key', secret, file]);
    const imported = await warmMachine().wiac(['cache', 'import', '--trust-key', open, file]);
    expect(imported.stdout).toBe('imported 4 entries, 4 layers\n');
    const other = keyPair();
    const refused = await warmMachine().wiac(['cache', 'import', '--trust-key', other.open, file]);
    expect(refused).toMatchObject({ exitCode: 11, stdout: '' });
  });

  test('a key of another kind is refused before anything is built', async () => {
    const file = join(tempDir(), 'rsa.pem');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const flag = `--cache-to=type=inline,sign-key=${file}`;
    const { exitCode, stderr } = await warmMachine().wiac(['build', flag, threeSteps()]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('openssl genpkey -algorithm ed25519');
  });
});

test('secrets, values of variables and credentials of URLs are in no file of a cache', async () => {
  const root = context({
    Dockerfile: dockerfile(
      'ARG TOKEN',
      'RUN --mount=type=secret,id=key,env=KEY --mount=type=secret,id=key test -n "$KEY"',
      'RUN test -n "$TOKEN" && echo "$HTTPS_PROXY" > /dev/null',
    ),
  });
  const secret = join(tempDir(), 'key');
  writeFileSync(secret, 'the-secret-itself');
  const made = warmMachine();
  const cache = join(tempDir(), 'cache');
  await made.build(
    root,
    `--secret=id=key,src=${secret}`,
    '--build-arg=TOKEN=the-token-itself',
    '--build-arg=HTTPS_PROXY=http://user:the-password@proxy',
    `--cache-to=type=local,dest=${cache},mode=max`,
  );
  const files = readdirSync(join(cache, 'blobs/sha256')).map((name) => {
    const bytes = readFileSync(join(cache, 'blobs/sha256', name));
    return (bytes.readUInt16BE(0) === 0x1f8b ? gunzipSync(bytes) : bytes).toString('latin1');
  });
  expect(files.some((text) => text.includes('"TOKEN":null'))).toBe(true);
  for (const text of files)
    expect(text).not.toMatch(/the-secret-itself|the-token-itself|the-password/);
  // Who has the same values finds the entries all the same.
  const again = await warmMachine().build(
    root,
    `--secret=id=key,src=${secret}`,
    '--build-arg=TOKEN=the-token-itself',
    `--cache-from=type=local,src=${cache}`,
  );
  expect(ranSteps(again.events)).toEqual([]);
});

test.each([
  ['--cache-to=type=local', 'dest is missing'],
  ['--cache-to=type=local,dest=x,mode=most', 'mode is one of min, max'],
  ['--cache-to=type=inline,mode=max', 'mode=min'],
  ['--cache-to=type=azblob', 'not supported'],
  ['--cache-from=type=local,src=x,colour=red', 'colour means nothing'],
  ['--cache-from=type=s3,bucket=b,region=r', 'access_key_id is missing'],
  ['--cache-from=type=inline', 'type=registry'],
  ['--cache-from=No/Name', 'repository names are lower case'],
  ['--cache-from=type=registry,ref="a', 'misplaced double quote'],
])('%s is refused', async (flag, message) => {
  const { exitCode, stderr } = await warmMachine().wiac(['build', flag, tempDir()], {
    env: { AWS_ACCESS_KEY_ID: '' },
  });
  expect([2, 9, 11]).toContain(exitCode);
  expect(stderr).toContain(message);
});

test('an exported file that is cut off within a member is refused, whatever is left of it', async () => {
  const a = warmMachine();
  await a.build(threeSteps());
  const file = join(tempDir(), 'cache.tar');
  await a.wiac(['cache', 'export', file]);
  const bytes = readFileSync(file);
  for (const part of [0.3, 0.6]) {
    writeFileSync(file, bytes.subarray(0, bytes.length * part));
    const { exitCode, stderr } = await warmMachine().wiac(['cache', 'import', file]);
    expect(stderr).toMatch(
      /^wiac: cannot read the archive .*: it ends in the middle of an entry\n/,
    );
    expect(exitCode).toBe(11);
  }
});

test('a build that fails ends, also when the cache that it writes does not answer', async () => {
  const connections = new Set<Socket>();
  const silent = createServer((socket) => void connections.add(socket.on('error', () => {})));
  await new Promise<void>((resume) => silent.listen(0, '127.0.0.1', resume));
  const { port } = silent.address() as AddressInfo;
  const root = context({ Dockerfile: dockerfile('RUN sleep 3', 'RUN exit 7') });
  const to = `--cache-to=type=registry,ref=127.0.0.1:${port}/cache:1,mode=max`;
  const { exitCode } = await machine().wiac(['build', to, root]);
  expect([exitCode, connections.size > 0]).toEqual([5, true]);
  for (const socket of connections) socket.destroy();
  await new Promise((resume) => silent.close(resume));
});

test('a page in the place of each answer, as of a proxy that wants a login: the warning says so', async () => {
  const portal = createHttpServer((request, response) => {
    request.resume().once('end', () => response.end('<html>Please log in</html>'));
  });
  await new Promise<void>((resume) => portal.listen(0, '127.0.0.1', resume));
  const { port } = portal.address() as AddressInfo;
  const place = `type=registry,ref=127.0.0.1:${port}/cache:1,mode=max`;
  const { events } = await warmMachine().build(
    threeSteps(),
    `--cache-to=${place},ignore-error=true`,
  );
  const last = warnings(events).at(-1);
  expect(last).toMatch(/was not written: .* does not keep what is written to it/);
  portal.closeAllConnections();
  await new Promise((resume) => portal.close(resume));
});
