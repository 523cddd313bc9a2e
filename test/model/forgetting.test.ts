/**
 * Random Dockerfiles, edits, and entries that are removed in between. A build needs the entry of its
 * target, and nothing else of the cache: whatever is removed besides, the files are the same; where
 * all else is removed, nothing runs; and another machine that gets the result's layers alone (mode=min) runs nothing either.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { allEntries } from '../../src/store/entries/cache-queries.js';
import { removeEntries } from '../../src/store/entries/remove-entries.js';
import type { LayerId } from '../../src/store/records.js';
import { closeStore, openStore } from '../../src/store/store.js';
import { buildHere, verifyHere } from '../support/in-process.js';
import type { Program } from './model.js';
import { getDockerfile, listing, predict } from './model.js';
import type { Edit, World } from './world.js';
import { apply, editing, mounted, newWorld, program } from './world.js';

/** Removes the entries that the mask says, but for those that made the topmost layer. */
async function forget(root: string, lowerdirs: string, mask: number): Promise<void> {
  const [top = ''] = lowerdirs.split(':');
  const kept = top.slice(top.lastIndexOf('/') + 1) as LayerId;
  const store = await openStore(root, 'none');
  try {
    const records = [...allEntries(store)].filter(({ layer }) => layer !== kept);
    removeEntries(
      store,
      records.filter((_, at) => ((mask >> (at % 30)) & 1) === 1),
    );
  } finally {
    await closeStore(store);
  }
}

interface Places {
  readonly store: string;
  readonly cache: string;
  readonly other: string;
  readonly empty: string;
}

async function check(world: World, places: Places, mask: number): Promise<void> {
  writeFileSync(join(world.root, 'Dockerfile'), getDockerfile(world.program));
  const expected = listing(predict(world.program, world).files);
  const cacheTo = [`type=local,dest=${places.cache}`];
  const { lowerdirs } = await buildHere(places.store, world.root, { cacheTo });
  expect(await mounted(lowerdirs, places.empty)).toEqual(expected);
  await forget(places.store, lowerdirs, mask);
  // Where a RUN is known, and a step that read it is not, what follows can't be sure of it.
  const part = await buildHere(places.store, world.root);
  expect(await mounted(part.lowerdirs, places.empty)).toEqual(expected);
  await forget(places.store, part.lowerdirs, -1);
  const { lowerdirs: same } = part;
  expect(await buildHere(places.store, world.root)).toMatchObject({ ran: [], lowerdirs: same });
  expect((await verifyHere(places.store)).filter(({ severity }) => severity === 'damage')).toEqual(
    [],
  );
  const cacheFrom = [`type=local,src=${places.cache}`];
  const there = await buildHere(places.other, world.root, { cacheFrom });
  expect(there.ran).toEqual([]);
  expect(await mounted(there.lowerdirs, places.empty)).toEqual(expected);
  rmSync(places.other, { recursive: true });
  rmSync(places.cache, { recursive: true });
}

async function sequence(written: Program, edits: readonly (readonly [Edit, number])[]) {
  const place = mkdtempSync(join(tmpdir(), 'wiac-forget-'));
  try {
    const [store, cache, other, empty] = ['store', 'cache', 'other', 'empty'].map((name) =>
      join(place, name),
    ) as [string, string, string, string];
    mkdirSync(empty);
    const world = await newWorld(join(place, 'context'), written);
    for (const [edit, mask] of edits) {
      if (edit.edit !== 'during') await apply(world, edit);
      await check(world, { store, cache, other, empty }, mask);
    }
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

test('what was forgotten besides the target is not missed, here or on another machine', async () => {
  const edits = fc.array(fc.tuple(editing, fc.nat(2 ** 30 - 1)), { minLength: 1, maxLength: 3 });
  const runs = Number(process.env.WIAC_FORGET_RUNS ?? 8);
  await fc.assert(fc.asyncProperty(program, edits, sequence), { numRuns: runs, seed: 7 });
}, 1_800_000);
