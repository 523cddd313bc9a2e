/**
 * A sequence of random edits of a Dockerfile and its context. After every edit the result is what the model
 * says, and exactly the steps ran whose inputs no build before had; at the end a build in an empty store of
 * this machine gives the same files. An edit may happen while a build runs: what that builds is one state of
 * each file or another, and the next build must be right.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import type { Built } from '../support/in-process.js';
import { buildHere } from '../support/in-process.js';
import type { Program } from './model.js';
import { getDockerfile, listing, predict } from './model.js';
import type { Edit, World } from './world.js';
import { apply, editFile, mounted, newWorld } from './world.js';

/** Builds a context in a store. */
export type Builder = (store: string, path: string) => Promise<Built>;

/** Builds and compares. @returns the files */
async function check(
  build: Builder,
  world: World,
  store: string,
  empty: string,
  seen: Set<string>,
) {
  writeFileSync(join(world.root, 'Dockerfile'), getDockerfile(world.program));
  const { files, steps: predicted } = predict(world.program, world);
  const expected = predicted.filter(({ inputs }) => {
    const isNew = !seen.has(inputs);
    seen.add(inputs);
    return isNew;
  });
  const { lowerdirs, ran } = await build(store, world.root);
  const actual = await mounted(lowerdirs, empty);
  const steps = (texts: readonly string[]) => (world.raced ? undefined : [...texts].sort());
  expect({ files: actual, ran: steps(ran) }).toEqual({
    files: listing(files),
    ran: steps(expected.map(({ text }) => text)),
  });
  return actual;
}

/** Edits a file some milliseconds after a build has begun. */
async function editDuring(
  build: Builder,
  world: World,
  store: string,
  { path: name, value: text, after }: Extract<Edit, { edit: 'during' }>,
): Promise<void> {
  world.raced = true;
  const building = build(store, world.root);
  const editing = (async () => {
    await new Promise((resume) => setTimeout(resume, after));
    await editFile(world, { edit: 'content', path: name, value: text });
  })();
  await Promise.all([building, editing]);
}

export async function runSequence(
  build: Builder,
  written: Program,
  edits: readonly Edit[],
): Promise<void> {
  const place = mkdtempSync(join(tmpdir(), 'wiac-model-'));
  try {
    const empty = join(place, 'empty');
    mkdirSync(empty);
    const world = await newWorld(join(place, 'context'), written);
    const store = join(place, 'store');
    const seen = new Set<string>();
    let files = await check(build, world, store, empty, seen);
    for (const edit of edits) {
      if (edit.edit === 'during') await editDuring(build, world, store, edit);
      else await apply(world, edit);
      files = await check(build, world, store, empty, seen);
    }
    const fresh = await buildHere(join(place, 'fresh'), world.root);
    expect(files).toEqual(await mounted(fresh.lowerdirs, empty));
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}
