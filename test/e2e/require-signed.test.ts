/** `--require-signed`: images that nobody signed are refused before anything of them is used. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { newPair, putImage, signByHand } from '../support/cosign.js';
import {
  type Descriptor,
  type MemoryRegistry,
  memoryRegistry,
} from '../support/memory-registry.js';
import { warmMachines } from '../support/warm-command.js';
import { context, type Machine, ranSteps, tempDir, writeTree } from '../support/wiac.js';

const machine = warmMachines();

const pair = newPair();
const other = newPair('ed25519');
let layer: Buffer;
let registry: MemoryRegistry;
let made: Machine;
let image: Descriptor;
let reference: string;
/** Files with the public keys. */
let key: string;
let wrong: string;

beforeAll(async () => {
  const root = tempDir();
  writeTree(root, { file: 'of the image\n' });
  const { stdout } = await execa('tar', ['-c', '-C', root, 'file'], { encoding: 'buffer' });
  layer = Buffer.from(stdout);
});

beforeEach(async () => {
  registry = await memoryRegistry();
  made = machine();
  image = putImage(registry, 'team/base', '1', layer);
  reference = `${registry.host}/team/base:1`;
  const directory = tempDir();
  [key, wrong] = [join(directory, 'key.pub'), join(directory, 'wrong.pub')];
  writeFileSync(key, pair.publicPem);
  writeFileSync(wrong, other.publicPem);
});
afterEach(() => registry.stop());

const rule = (file = key, path = '/team') => [
  '--require-signed',
  `${registry.host}${path}=${file}`,
];
const build = (text: string, ...flags: string[]) =>
  made.wiac(['build', '-q', ...flags, context({ Dockerfile: text })]);
const layersAsked = () => registry.asked.filter((line) => line.includes(digestPath()));
const digestPath = () => {
  const { bytes } = registry.manifests.get('team/base:1') ?? { bytes: Buffer.from('{}') };
  return `/blobs/${JSON.parse(bytes.toString()).layers[0].digest}`;
};

test('whatever asks for an image: it is refused with its place, and no layer of it is fetched', async () => {
  signByHand(registry, 'team/base', image, other);
  const asking = [
    [`FROM ${reference}\nCOPY Dockerfile /\n`, 1],
    [`FROM scratch\nCOPY --from=${reference} /file /\n`, 2],
    [`FROM scratch\nRUN --mount=from=${reference},target=/x true\n`, 2],
    [`FROM scratch\nFROM docker-image://${reference}\n`, 2],
    // The same port, and so the same registry.
    [`FROM ${reference.replace(/:(?=\d+\/)/, ':0')}\n`, 1],
  ] as const;
  for (const [text, line] of asking) {
    const { exitCode, stderr } = await build(text, ...rule());
    expect({ text, exitCode }).toEqual({ text, exitCode: 15 });
    expect(stderr).toContain(`Dockerfile:${line}:`);
    expect(stderr).toContain('has no valid signature: it is damaged, or another key made it');
  }
  const named = await build(
    'FROM base\n',
    '--build-context',
    `base=docker-image://${reference}`,
    ...rule(),
  );
  expect(named.exitCode).toBe(15);
  expect((await made.wiac(['pull', ...rule(), reference])).exitCode).toBe(15);
  const run = await made.wiac(['run', ...rule(), reference, '/x']);
  expect(run).toMatchObject({
    exitCode: 125,
    stderr: expect.stringContaining('no valid signature'),
  });
  expect(layersAsked()).toEqual([]);
  // Other rules are not about it.
  expect(await build(asking[0][0], ...rule(key, '/tea'))).toMatchObject({ exitCode: 0 });
});

test('one that is signed is used; what the cache has does not depend on it', async () => {
  signByHand(registry, 'team/base', image, pair);
  const root = context({ Dockerfile: `FROM ${reference}\nCOPY Dockerfile /\n` });
  const first = await made.build(root, ...rule());
  expect(ranSteps(first.events)).toHaveLength(1);
  expect(ranSteps((await made.build(root)).events)).toEqual([]);
  expect(ranSteps((await made.build(root, ...rule())).events)).toEqual([]);
  // All of it is cached, and the key is another one now.
  expect((await made.wiac(['build', '-q', ...rule(wrong), root])).exitCode).toBe(15);
});

test('a lock file says which image it is, and not that it may be used', async () => {
  const root = context({ Dockerfile: `FROM ${reference}\nCOPY Dockerfile /\n` });
  expect((await made.wiac(['lock', root])).exitCode).toBe(0);
  const locked = (...flags: string[]) => made.wiac(['build', '-q', '--locked', ...flags, root]);
  expect((await locked()).exitCode).toBe(0);
  expect((await locked(...rule())).exitCode).toBe(15);
  signByHand(registry, 'team/base', image, pair);
  expect((await locked(...rule())).exitCode).toBe(0);
});

test('a pulled image is verified once, and then without its registry', async () => {
  const text = `FROM ${reference}\nCOPY Dockerfile /\n`;
  expect((await made.wiac(['pull', reference])).exitCode).toBe(0);
  // It came without a signature: there is one now, or there is none.
  expect((await build(text, ...rule())).exitCode).toBe(15);
  const run = await made.wiac(['run', ...rule(), reference, '/x']);
  expect(run).toMatchObject({ exitCode: 125, stderr: expect.stringContaining('is not signed') });
  signByHand(registry, 'team/base', image, pair);
  expect((await build(text, ...rule())).exitCode).toBe(0);
  const asked = registry.asked.length;
  expect((await build(text, ...rule())).exitCode).toBe(0);
  expect(registry.asked).toHaveLength(asked);
  await registry.stop();
  expect((await build(text, ...rule())).exitCode).toBe(0);
  // What was seen does not count for another key.
  const refused = await build(text, '--retry=0', ...rule(wrong));
  expect(refused).toMatchObject({ exitCode: 11, stderr: expect.stringContaining('no connection') });
});

test('an image of the store by its id: it stands for the names that the image has', async () => {
  expect((await made.wiac(['pull', reference])).exitCode).toBe(0);
  const { stdout } = await made.wiac(['images', '--no-trunc', '-q']);
  const id = stdout.trim().replace('sha256:', '');
  const byId = (digits: string, ...flags: string[]) => build(`FROM ${digits}\n`, ...flags);
  expect(await byId(id)).toMatchObject({ exitCode: 0 });
  for (const digits of [id, id.slice(0, 12), `sha256:${id}`])
    expect(await byId(digits, ...rule())).toMatchObject({
      exitCode: 15,
      stderr: expect.stringContaining(`${reference} (`),
    });
  expect((await made.wiac(['run', ...rule(), id, '/x'])).exitCode).toBe(125);
  signByHand(registry, 'team/base', image, pair);
  const hub = ['--require-signed', `docker.io=${wrong}`];
  expect(await byId(id.slice(0, 12), ...rule(), ...hub)).toMatchObject({ exitCode: 0 });
});

test('an index: who signed it signed its images, also those that were pulled by it', async () => {
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const platform = { os: 'linux', architecture: 'amd64' };
  const manifests = [{ ...image, platform }];
  const index = registry.manifest('team/base', 'all', { schemaVersion: 2, mediaType, manifests });
  const name = `${registry.host}/team/base:all`;
  const pull = ['pull', '--platform', 'linux/amd64', ...rule(), name];
  expect((await made.wiac(pull)).exitCode).toBe(15);
  signByHand(registry, 'team/base', index, pair);
  expect((await made.wiac(pull)).exitCode).toBe(0);
  // A lock file names the image by its own digest: the signature is that of the index which lists it.
  const locked = machine();
  const root = context({ Dockerfile: `FROM ${name}\nCOPY Dockerfile /\n` });
  const flags = ['--platform', 'linux/amd64', ...rule()];
  const buildLocked = (...more: string[]) =>
    locked.wiac(['build', '-q', '--locked', ...flags, ...more, root]);
  expect(await locked.wiac(['lock', '--platform', 'linux/amd64', root])).toMatchObject({
    exitCode: 0,
  });
  expect((await buildLocked(...rule(wrong, '/team/base'))).exitCode).toBe(15);
  expect(await buildLocked()).toMatchObject({ exitCode: 0 });
  // A lock file may claim that the index lists another image.
  const evil = putImage(registry, 'team/base', 'evil', layer);
  const lockFile = join(root, 'Dockerfile.lock');
  const lock = readFileSync(lockFile, 'utf8');
  writeFileSync(lockFile, lock.replaceAll(image.digest, evil.digest));
  expect((await buildLocked()).exitCode).toBe(15);
  writeFileSync(lockFile, lock);
  await registry.stop();
  expect(await buildLocked()).toMatchObject({ exitCode: 0 });
  expect((await build(`FROM ${name}\nCOPY Dockerfile /\n`, ...flags)).exitCode).toBe(0);
});

test('an image that was made here under such a name is none of the registry', async () => {
  await made.build(context({ Dockerfile: 'FROM scratch\nENV a=b\n' }), '-t', reference);
  const refused = await build(`FROM ${reference}\nCOPY Dockerfile /\n`, ...rule());
  expect(refused).toMatchObject({ exitCode: 15, stderr: expect.stringContaining('--pull=always') });
  signByHand(registry, 'team/base', image, pair);
  const text = `FROM ${reference}\nCOPY Dockerfile /\n`;
  expect((await build(text, '--pull=always', ...rule())).exitCode).toBe(0);
});

test('rules of the config file', async () => {
  const directory = tempDir();
  const env = { WIAC_CONFIG: join(directory, 'config.json') };
  const write = (requireSigned: unknown) =>
    writeFileSync(env.WIAC_CONFIG, JSON.stringify({ images: { requireSigned } }));
  const pull = () => made.wiac(['pull', reference], { env });
  writeFileSync(join(directory, 'own.pub'), pair.publicPem);
  write({ [`${registry.host}/team`]: ['own.pub', wrong] });
  expect((await pull()).exitCode).toBe(15);
  signByHand(registry, 'team/base', image, pair);
  expect((await pull()).exitCode).toBe(0);
  for (const [value, problem] of [
    [[], 'a list of files, by prefix'],
    [{ 'a.example': 1 }, 'a list of files, by prefix'],
    [{ team: 'own.pub' }, 'no registry'],
    [{ 'a.example': 'none.pub' }, 'no such file'],
  ] as const) {
    write(value);
    expect(await pull()).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(problem) });
  }
});
