/** A pull or a push that is stopped: it says so, and leaves nothing half-made in the store. */
import { randomBytes } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { FaultyRegistry } from '../oci/registry/helpers.js';
import { passOn, startFaulty } from '../oci/registry/helpers.js';
import type { Registry } from '../support/registry.js';
import { startRegistry } from '../support/registry.js';
import { context, machine, tempDir, WIAC } from '../support/wiac.js';

let registry: Registry;
let front: FaultyRegistry;
let store: string;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.stop());
beforeEach(async () => {
  front = await startFaulty(registry.host);
  const made = machine();
  store = made.root;
  const directory = context({ Dockerfile: 'FROM scratch\nCOPY big /\n' });
  writeFileSync(join(directory, 'big'), randomBytes(3 << 20));
  await made.build(directory, '-t', 'big');
  expect(await made.wiac(['push', 'big', `${registry.host}/big:1`])).toMatchObject({ exitCode: 0 });
});
afterEach(() => front.stop());

/** Resolves when a request comes that is then never answered in full. */
function stuckAt(method: string, path: RegExp): Promise<void> {
  return new Promise((resume) => {
    front.fault = (request, response) => {
      if (request.method !== method || !path.test(request.url ?? '')) return false;
      if (method === 'GET')
        passOn(registry.host, request, response, (chunk) => {
          // The config is shorter.
          if (chunk.length > 1000) resume();
          return chunk.subarray(0, 1000);
        });
      else request.once('data', () => resume());
      return true;
    };
  });
}

test.each([
  ['pull', 'SIGINT', 130, /blobs\/sha256/, 'GET'],
  ['pull', 'SIGTERM', 143, /blobs\/sha256/, 'GET'],
  ['push', 'SIGINT', 130, /blobs\/uploads/, 'PATCH'],
] as const)('%s, %s: exit code %d', async (command, signal, code, path, method) => {
  const root = command === 'pull' ? join(tempDir(), 'store') : store;
  const stuck = stuckAt(method, path);
  const reference = `${front.host}/big:1`;
  const args = command === 'pull' ? ['pull', reference] : ['push', 'big', reference];
  const flags = command === 'push' ? ['--compression=zstd', '--force-compression'] : [];
  const child = execa(process.execPath, [WIAC, ...args, ...flags], {
    env: { WIAC_ROOT: root },
    reject: false,
  });
  await stuck;
  child.kill(signal);
  const { exitCode, stdout, stderr } = await child;
  expect({ exitCode, stdout, stderr }).toMatchObject({
    exitCode: code,
    stdout: '',
    stderr: `wiac: stopped by ${signal}`,
  });
  expect(readdirSync(join(root, 'tmp'))).toEqual([]);
  const verified = await execa(process.execPath, [WIAC, 'cache', 'verify', '--format=json'], {
    env: { WIAC_ROOT: root },
  });
  expect(JSON.parse(verified.stdout)).toMatchObject({ findings: [] });
});

test('what a killed pull left is removed by the next one', async () => {
  const root = join(tempDir(), 'store');
  const stuck = stuckAt('GET', /blobs\/sha256/);
  const env = { WIAC_ROOT: root };
  const args = [WIAC, 'pull', `${front.host}/big:1`];
  const child = execa(process.execPath, args, { env, reject: false });
  await stuck;
  while (readdirSync(join(root, 'tmp')).length === 0) await sleep(20);
  child.kill('SIGKILL');
  await child;
  expect(readdirSync(join(root, 'tmp'))).not.toEqual([]);
  front.fault = () => false;
  await execa(process.execPath, args, { env });
  expect(readdirSync(join(root, 'tmp'))).toEqual([]);
});

test('an archive for docker of many layers is written without a word', async () => {
  const files = Array.from({ length: 12 }, (_, index) => `f${index}`);
  const directory = context({
    Dockerfile: ['FROM scratch', ...files.map((file) => `COPY ${file} /`), ''].join('\n'),
    ...Object.fromEntries(files.map((file) => [file, file])),
  });
  const archive = join(tempDir(), 'image.tar');
  const output = `type=docker,dest=${archive}`;
  expect(await machine().wiac(['build', '-q', '-o', output, directory])).toMatchObject({
    exitCode: 0,
    stderr: '',
  });
});

test('a directory that can not be made is an error', async () => {
  const directory = context({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: 'f' });
  const to = 'type=local,dest=/proc/wiac-cache';
  const { exitCode, stderr } = await machine().wiac(['build', '-q', '--cache-to', to, directory]);
  expect(exitCode).toBe(11);
  expect(stderr).toContain('/proc/wiac-cache');
}, 30_000);
