/** What programs in JavaScript give to the library that no compiler has checked. */
import { expect, test } from '@jest/globals';
import * as wiac from '../../src/engine/index.js';
import type { Store } from '../../src/store/store.js';

const store = { paths: {}, index: {} } as unknown as Store;
const library = wiac as unknown as Readonly<Record<string, (...given: unknown[]) => unknown>>;
const call = async (name: string, ...given: unknown[]): Promise<unknown> =>
  library[name]?.(...given);

test.each<[string, unknown[], string]>([
  ['openStore', [], 'root has to be a string without NUL, not undefined'],
  ['closeStore', [{}], 'store has to be what openStore gives'],
  ['prune', [store, {}], 'request.filter has to be an object, not undefined'],
  ['prune', [store, { filter: {}, keepDays: 3 }], 'request has no keepDays'],
  ['prune', [store, { filter: { unused: 3 } }], 'request.filter has no unused'],
  [
    'prune',
    [store, { filter: {}, keepBytes: '20G' }],
    'keepBytes has to be a number of at least 0',
  ],
  ['prune', [store, { filter: {}, keepBytes: Number.NaN }], 'keepBytes has to be a number'],
  ['build', [store], 'request has to be an object, not undefined'],
  ['build', [undefined, { context: '.' }], 'store has to be what openStore gives'],
  ['build', [store, { context: 5 }], 'request.context has to be a string without NUL, not 5'],
  ['build', [store, { context: '.', platform: 'linux/arm64' }], 'it takes platforms, a list'],
  ['build', [store, { context: '.', platforms: 'linux/arm64' }], 'platforms has to be a list'],
  ['build', [store, { context: '.', lock: 'lockd' }], 'lock has to be one of use, locked, ignore'],
  [
    'build',
    [store, { context: '.', buildArgs: { N: 5 } }],
    'buildArgs.N has to be a string, not 5',
  ],
  [
    'build',
    [store, { context: '.', buildArgs: ['N=5'] }],
    'buildArgs has to be an object, not a list',
  ],
  ['build', [store, { context: '.', signal: {} }], 'signal has to be an AbortSignal'],
  ['plan', [store, {}], 'request.context has to be a string'],
  [
    'why',
    [store, { context: '.', network: 'bogus' }],
    'network has to be one of default, none, host',
  ],
  ['lock', [store, { context: '.' }, 5], 'renewal has to be'],
  ['run', [{ lowerdirs: '/', argv: '/bin/sh' }], 'request.argv has to be a list, not "/bin/sh"'],
  ['parseOutput', [], 'text has to be a string'],
  ['imageSbom', [store, 'name'], 'access has to be an object'],
  ['build', [store, { context: 5n }], 'request.context has to be a string without NUL, not 5n'],
  ['build', [store, { context: '.', executor: {} }], 'executor has to be a function'],
  ['build', [store, { context: '.', limits: { memory: '1g' } }], 'limits.memory has to be a'],
  ['build', [store, { context: '.', limits: { mem: 1 } }], 'request.limits has no mem'],
  ['plan', [store, { context: '.', resources: { shmSize: '1g' } }], 'shmSize has to be a number'],
  ['plan', [store, { context: '.', lockFile: {} }], 'lockFile.file has to be a string'],
  ['plan', [store, { context: '.', environment: { A: 1 } }], 'environment.A has to be a string'],
  ['build', [store, { context: '.', requireSigned: [{}] }], 'requireSigned[0].prefix has to be'],
  ['watch', [store, { context: '.' }, [], {}], 'request.signal has to be an AbortSignal'],
  ['verifyImage', [{ reference: 'a', registry: {}, keys: [] }], 'request.keys has to have an item'],
  ['listBuilds', [{}], 'store has to be what openStore gives'],
  ['readBuild', [store, 5], 'id has to be a string'],
  ['loadBuild', [{}, 'x'], 'store has to be what openStore gives'],
  ['recordBuild', [store, {}], 'origin.command has to be a list'],
  ['signImage', [{ reference: 'a/b' }], 'request.key has to be an object'],
])('%s refuses what it can not take: %j', async (name, given, message) => {
  await expect(call(name, ...given)).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining(message),
  });
});
