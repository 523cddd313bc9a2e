/**
 * Snapshots of a cache mount that are made from the last one. Whatever was done to the files: one that is made
 * from notes says what one says that looks at everything.
 */
import { createHash } from 'node:crypto';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { MountNotes } from '../../src/engine/mounts/mount-notes.js';
import { readNotes, writeNotes } from '../../src/engine/mounts/mount-notes.js';
import { boundMounts, surveyDirectory } from '../../src/engine/mounts/survey-mounts.js';
import type { TakenSnapshot } from '../../src/engine/mounts/take-snapshot.js';
import { NO_SNAPSHOT, notedBase, takeSnapshot } from '../../src/engine/mounts/take-snapshot.js';
import type { PackOptions } from '../../src/engine/mounts/write-packs.js';
import type { GzipThreads } from '../../src/fs/archive/gzip-threads.js';
import { createGzipThreads } from '../../src/fs/archive/gzip-threads.js';
import { encodeFiles } from '../../src/shared-cache/mounts/encode-snapshot.js';
import { parseFiles } from '../../src/shared-cache/mounts/parse-snapshot.js';
import type { SnapshotEntry } from '../../src/shared-cache/mounts/snapshot.js';
import type { Store } from '../../src/store/store.js';
import { generator } from '../support/random.js';

let root: string;
let scratch: string;
let threads: GzipThreads;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'wiac-mount-'));
  scratch = mkdtempSync(join(tmpdir(), 'wiac-scratch-'));
  threads = createGzipThreads();
});
afterEach(() => {
  threads.close();
  for (const directory of [root, scratch]) rmSync(directory, { recursive: true });
});

let number = 0;
const nextNumber = () => {
  number += 1;
  return number;
};
const { signal } = new AbortController();

/** @param most bytes that there is room for */
async function take(
  notes: MountNotes | undefined,
  lost = new Set<number>(),
  { most = Number.POSITIVE_INFINITY, isInUse = false } = {},
): Promise<TakenSnapshot> {
  const found = await surveyDirectory({ name: 'name', id: 'id', path: root }, notes, isInUse);
  const [survey = found] = boundMounts({ surveys: [found], former: [] }, most).surveys;
  const base = notes ? notedBase(notes) : NO_SNAPSHOT;
  const options: PackOptions = { scratch, nextNumber, compression: 'gzip', threads };
  return takeSnapshot(survey, { ...base, lost, signal }, options);
}

const noted = ({ packs, list }: TakenSnapshot): MountNotes => ({ id: 'id', packs, ...list });

/** What is sent, as a reader understands it. */
function entriesOf({ packs, list }: TakenSnapshot): readonly SnapshotEntry[] {
  const bytes = encodeFiles(list.members.map((member) => member.bytes));
  return parseFiles(bytes, packs, 'TITLE').entries;
}

/** The same without saying where contents lie. */
function saidOf(taken: TakenSnapshot): unknown[] {
  const rows = entriesOf(taken).map((entry) =>
    entry.type === 'file' ? { ...entry, place: { size: entry.place.size } } : entry,
  );
  return rows.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function expectContents(taken: TakenSnapshot): void {
  for (const entry of entriesOf(taken)) {
    if (entry.type !== 'file') continue;
    const content = readFileSync(join(root, entry.path));
    expect([entry.path, entry.digest]).toEqual([
      entry.path,
      createHash('sha256').update(content).digest('hex'),
    ]);
  }
}

function write(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

/** What was written so shortly before a snapshot is looked at again by the next one. */
const settle = () => sleep(80);

const DIRECTORIES = 40;

async function madeTree(files: number): Promise<MountNotes> {
  for (let at = 0; at < files; at += 1)
    write(`d${at % DIRECTORIES}/below/f${at}`, `content ${at} `.repeat(at % 7));
  write('top', 'top');
  await settle();
  return noted(await take(undefined));
}

test('only the parts of changed directories are made again', async () => {
  const before = await madeTree(2000);
  expect(before.members.length).toBeGreaterThan(4);
  write('d7/below/f7', 'another content');
  write('d7/below/new', 'new');
  rmSync(join(root, 'd8/below/f8'));
  await settle();
  const taken = await take(before);
  expect(taken.made).toHaveLength(1);
  const parts = taken.list.members.map(({ bytes }) => bytes.toString('base64'));
  const kept = before.members.filter(({ bytes }) => parts.includes(bytes.toString('base64')));
  expect(kept.length).toBeGreaterThanOrEqual(before.members.length - 3);
  expect(kept.length).toBeLessThan(before.members.length);
  expect(saidOf(taken)).toEqual(saidOf(await take(undefined)));
  expectContents(taken);
  const again = await take(noted(taken));
  expect([again.isSame, again.made]).toEqual([true, []]);
  expect(again.totals).toEqual(taken.totals);
});

test('a content that any part has is not sent again, wherever it is now', async () => {
  const before = await madeTree(400);
  for (let at = 0; at < 100; at += 1) write(`moved/f${at}`, `content ${at} `.repeat(at % 7));
  renameSync(join(root, 'd3'), join(root, 'other'));
  await settle();
  const taken = await take(before);
  expect([taken.isSame, taken.made]).toEqual([false, []]);
  expect(saidOf(taken)).toEqual(saidOf(await take(undefined)));
});

test('packs that are gone, and files with several names, are seen to wherever they are', async () => {
  const before = await madeTree(400);
  const lost = await take(before, new Set([0]));
  expect(lost.made).toHaveLength(1);
  expect(saidOf(lost)).toEqual(saidOf(await take(undefined)));
  linkSync(join(root, 'd1/below/f1'), join(root, 'd2/below/link'));
  await settle();
  const linked = await take(before);
  expect(entriesOf(linked).filter(({ type }) => type === 'link')).toHaveLength(1);
  rmSync(join(root, 'd1/below/f1'));
  await settle();
  expect(saidOf(await take(noted(linked)))).toEqual(saidOf(await take(undefined)));
});

test('what there was no room for travels when there is', async () => {
  const before = await madeTree(400);
  const small = await take(before, new Set(), { most: 4000 });
  expect(small.totals.bytes).toBeLessThanOrEqual(4000);
  expect(saidOf(await take(noted(small)))).toEqual(saidOf(await take(undefined)));
});

test('what other processes may be writing to is read again', async () => {
  await madeTree(400);
  const inUse = noted(await take(undefined, new Set(), { isInUse: true }));
  expect(inUse.groups.filter(({ seen }) => seen !== null)).toEqual([]);
  // Who writes to a page that is mapped, and that is not on the disk yet, changes no time: nothing is noted of files.
  expect(inUse.table.numbers.some((number) => number > 1e11)).toBe(false);
  const alone = noted(await take(undefined));
  expect(alone.table.numbers.some((number) => number > 1e11)).toBe(true);
});

test('notes that a disk has damaged are none', async () => {
  const notes = await madeTree(400);
  const paths = { mountNotes: join(scratch, 'notes'), tmp: scratch, self: { id: 'self' } };
  const store = { paths } as unknown as Store;
  writeNotes(store, 'name', notes);
  expect(readNotes(store, 'name')).toEqual(notes);
  const file = join(paths.mountNotes, 'name');
  const bytes = readFileSync(file);
  for (const at of [0, 9, bytes.indexOf(notes.members[0]?.bytes ?? '') + 20, bytes.length - 1]) {
    const damaged = Buffer.from(bytes);
    damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at);
    writeFileSync(file, damaged);
    expect([at, readNotes(store, 'name')]).toEqual([at, undefined]);
  }
  writeFileSync(file, bytes.subarray(0, 3));
  expect(readNotes(store, 'name')).toBeUndefined();
});

test('whatever was done, one snapshot after the other', async () => {
  const random = generator(11);
  const pick = (most: number) => Math.floor(random() * most);
  const directory = () => `d${pick(DIRECTORIES)}/below`;
  const edits = [
    () => write(`${directory()}/f${pick(400)}`, `edited ${pick(5)}`),
    () => write(`new${pick(3)}/deep${pick(3)}/f${pick(9)}`, `new ${pick(9)}`),
    () => rmSync(join(root, `d${pick(DIRECTORIES)}`), { recursive: true, force: true }),
    () => rmSync(join(root, 'new0'), { recursive: true, force: true }),
    () => {
      const link = join(root, `d${pick(DIRECTORIES)}-link`);
      rmSync(link, { force: true });
      symlinkSync(`target${pick(3)}`, link);
    },
    () => {
      const path = join(root, `d${pick(DIRECTORIES)}`);
      rmSync(path, { recursive: true, force: true });
      writeFileSync(path, 'a file now');
    },
  ];
  let notes = await madeTree(400);
  for (let round = 0; round < 25; round += 1) {
    for (let at = pick(6); at >= 0; at -= 1) {
      try {
        edits[pick(edits.length)]?.();
      } catch (error) {
        // A file is where a directory was.
        expect(['ENOTDIR', 'EEXIST']).toContain((error as NodeJS.ErrnoException).code);
      }
    }
    // Now and then the last change is too young to be relied on.
    if (pick(4) > 0) await settle();
    const taken = await take(notes);
    expect({ round, said: saidOf(taken) }).toEqual({ round, said: saidOf(await take(undefined)) });
    expectContents(taken);
    notes = noted(taken);
  }
});
