/** Who gets a lease, who waits, and that nobody waits for himself. */
import { execFileSync } from 'node:child_process';
import {
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { DefinitionKey } from '../../src/keys/digest.js';
import { sweepStore } from '../../src/store/gc/sweep.js';
import { getTables } from '../../src/store/index/tables.js';
import type { Lease } from '../../src/store/pins/lease.js';
import { releaseLease, removeLeftLeases, takeLease, tryLease } from '../../src/store/pins/lease.js';
import { LayersGoneError } from '../../src/store/pins/uses.js';
import type { LayerId } from '../../src/store/records.js';
import type { Store } from '../../src/store/store.js';
import { closeStore, openStore } from '../../src/store/store.js';

let root: string;
let store: Store;
const { signal } = new AbortController();

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'wiac-lease-'));
  store = await openStore(root, 'none');
});

afterEach(async () => {
  await closeStore(store);
  rmSync(root, { recursive: true });
});

function take(key: string): Lease {
  const taken = tryLease(store, key);
  if (typeof taken === 'number') throw new Error(`${key} is held by ${taken}`);
  return taken;
}

test('the second of two equal steps of one process waits for the first', async () => {
  const first = take('key');
  const waited: number[] = [];
  const second = takeLease(store, 'key', { signal, onWait: (pid) => waited.push(pid) });
  await new Promise((resume) => setTimeout(resume, 100));
  expect(waited).toEqual([process.pid]);
  releaseLease(store, first);
  const lease = await second;
  expect(lease).toEqual({ key: 'key' });
  // The first one clears up late: that does not take the lease from the second.
  releaseLease(store, first);
  expect(tryLease(store, 'key')).toBe(process.pid);
});

test('a lease of this process that nothing in it holds any more is taken at once', async () => {
  const index = getTables(store);
  index.leases.take('key', index.self.id);
  expect(tryLease(store, 'key')).toEqual({ key: 'key' });
});

test('what failed work has left goes, what another build of the process holds stays', () => {
  const index = getTables(store);
  const held = take('key');
  index.leases.take('mount:cache', index.self.id);
  removeLeftLeases(store);
  expect(index.leases.list().map(({ key }) => key)).toEqual(['key']);
  releaseLease(store, held);
  expect(index.leases.list()).toEqual([]);
});

test('with a lease one sees what its last holder has published', () => {
  const index = getTables(store);
  const usage = () => index.usage.get('entry' as DefinitionKey);
  // From now on this turn of the event loop reads what there is now.
  expect(usage()).toBe(undefined);
  const write = [
    `const { open } = require('lmdb');`,
    `const path = ${JSON.stringify(join(root, 'index'))};`,
    `const index = open({ path, maxDbs: 32, noSubdir: false, overlappingSync: false });`,
    `index.openDB({ name: 'usage' }).putSync('entry', { lastUsed: 1, hits: 1 });`,
  ];
  execFileSync(process.execPath, ['-e', write.join('')]);
  take('key');
  expect(usage()).toEqual({ lastUsed: 1, hits: 1 });
});

test('a key never leads out of leases/', () => {
  for (const key of ['../outside', 'pull:../../outside', '/tmp/outside', '..', ''])
    expect(() => tryLease(store, key)).toThrow('is no key of a lease');
  expect(readdirSync(root)).not.toContain('outside');
});

test('it is not taken when a layer is gone', () => {
  const gone = 'a'.repeat(16) as LayerId;
  expect(() => tryLease(store, 'key', [gone])).toThrow(LayersGoneError);
  expect(tryLease(store, 'key')).toEqual({ key: 'key' });
});

test('waiting ends when the work is done, and when the build is stopped', async () => {
  take('key');
  expect(await takeLease(store, 'key', { signal, isDone: () => true })).toBe(undefined);
  const stop = new AbortController();
  const waiting = takeLease(store, 'key', { signal: stop.signal });
  stop.abort(new Error('stopped'));
  await expect(waiting).rejects.toThrow('stopped');
});

test('a lease of a process that has left is void', async () => {
  const other = await openStore(root, 'none');
  tryLease(other, 'key');
  expect(tryLease(store, 'key')).toBe(process.pid);
  const { id } = getTables(other).self;
  await closeStore(other);
  // It did not give it back.
  const after = await openStore(root, 'none');
  getTables(after).leases.take('key', id);
  expect(tryLease(after, 'key')).toEqual({ key: 'key' });
  await closeStore(after);
  store = await openStore(root, 'none');
});

test('one that is given back and taken by another process meanwhile is not taken from that', async () => {
  const other = await openStore(root, 'none');
  const { self } = getTables(other);
  const index = getTables(store);
  const { leases } = index;
  let tried = 0;
  let asked = 0;
  const meanwhile: typeof leases = {
    ...leases,
    // A former owner has it at first, and gives it back at once.
    take: (key, id) => ++tried > 1 && leases.take(key, id),
    get(key) {
      const owner = leases.get(key);
      // When this process has seen for the third time that nobody has it, the other one takes it.
      if (++asked === 3) leases.take(key, self.id);
      return owner;
    },
  };
  Object.assign(index, { leases: meanwhile });
  expect(tryLease(store, 'key')).toBe(process.pid);
  expect(readlinkSync(join(root, 'leases/key'))).toBe(self.id);
  await closeStore(other);
});

test('what no wiac has put among the leases holds nothing, and leads nowhere', () => {
  const at = (name: string) => join(root, 'leases', name);
  // Opened for writing, as the FIFO of a process is that is asked whether it lives, it would be found.
  writeFileSync(join(root, 'elsewhere'), '');
  symlinkSync('../elsewhere', at('linked'));
  writeFileSync(at('file'), '');
  writeFileSync(at('.nfs0001'), '');
  expect(
    getTables(store)
      .leases.list()
      .map(({ key }) => key),
  ).toEqual(['linked']);
  expect(['linked', 'file'].map(take)).toEqual([{ key: 'linked' }, { key: 'file' }]);
});

test('one that another process takes while void ones are swept stays', () => {
  const [ended, next] = [`${'a'.repeat(16)}-1`, `${'b'.repeat(16)}-1`];
  const link = join(root, 'leases/key');
  symlinkSync(ended, link);
  let asked = 0;
  const isAlive = (owner: string) => {
    if (owner === ended && ++asked === 2) {
      rmSync(link);
      symlinkSync(next, link);
    }
    return owner === next;
  };
  const self = { ...store.paths.self, isAlive };
  sweepStore({ ...store, paths: { ...store.paths, self } });
  expect(readlinkSync(link)).toBe(next);
  rmSync(link);
});
