/**
 * Two machines and a cache between them: random Dockerfiles, random edits, builds on either machine, and
 * removals in between. Each result is what the model says; what runs is what the oracle says; and of
 * layers only those travel that somebody needs, none of them twice. WIAC_FLEET_RUNS is the number of
 * sequences, which are others each time then.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { allEntries } from '../../src/store/entries/cache-queries.js';
import { removeEntries } from '../../src/store/entries/remove-entries.js';
import { prune } from '../../src/store/gc/prune-store.js';
import { readCacheBytes } from '../../src/store/gc/totals.js';
import { closeStore, openStore, type Store } from '../../src/store/store.js';
import { buildHere, verifyHere } from '../support/in-process.js';
import { type S3Server, startS3 } from '../support/s3.js';
import type { Fleet, MachineModel } from './fleet-oracle.js';
import { expectRuns, newFleet, newMachine, noteBuild, noteExport } from './fleet-oracle.js';
import type { Prediction, Program } from './model.js';
import { getDockerfile, listing, predict } from './model.js';
import type { Edit, World } from './world.js';
import { apply, editing, mounted, newWorld, program } from './world.js';

/** What happens before a build. */
type Removal =
  | { readonly removal: 'none' }
  | { readonly removal: 'fresh' }
  /** Entries of steps at these places of the Dockerfile. */
  | { readonly removal: 'rm'; readonly mask: number }
  /** All but so many tenths of the bytes. */
  | { readonly removal: 'prune'; readonly tenths: number };

interface Turn {
  readonly on: 0 | 1;
  readonly edit: Edit | null;
  readonly removal: Removal;
  readonly exports: boolean;
}

const turn: fc.Arbitrary<Turn> = fc.record({
  on: fc.constantFrom<0 | 1>(0, 1),
  edit: fc.option(editing.filter(({ edit }) => edit !== 'during')),
  removal: fc.oneof(
    { weight: 3, arbitrary: fc.record({ removal: fc.constant('none' as const) }) },
    { weight: 2, arbitrary: fc.record({ removal: fc.constant('fresh' as const) }) },
    fc.record({ removal: fc.constant('rm' as const), mask: fc.nat(2 ** 12 - 1) }),
    fc.record({ removal: fc.constant('prune' as const), tenths: fc.nat(9) }),
  ),
  exports: fc.boolean(),
});

/** The shared cache of one sequence. */
interface Between {
  readonly mode: 'min' | 'max';
  /** Entries of former builds stay. */
  readonly merges: boolean;
  readonly from: string;
  readonly to: string;
  readonly output?: string;
  /** Digests of layers that were read since the last time; undefined: nobody counts. */
  readonly fetched: () => readonly string[] | undefined;
}

let s3: S3Server;
beforeAll(async () => {
  s3 = await startS3();
});
afterAll(() => s3.stop());

let buckets = 0;

function inBucket(mode: 'min' | 'max'): Between {
  buckets += 1;
  const attributes = [
    `type=s3,bucket=${s3.bucket},region=${s3.region},endpoint_url=${s3.endpoint}`,
    `name=n,prefix=p${buckets},access_key_id=${s3.accessKeyId},secret_access_key=${s3.secretAccessKey}`,
  ].join();
  // Lists and manifests are no layers.
  const isPacked = (key: string) => s3.objects.get(key)?.readUInt16BE() === 0x1f8b;
  return {
    mode,
    merges: true,
    from: attributes,
    to: `${attributes},mode=${mode}`,
    fetched: () =>
      s3.log.splice(0).flatMap((line) => {
        const [method, key = ''] = line.split(' ');
        return method === 'GET' && isPacked(key) ? [key.slice(key.lastIndexOf('/') + 1)] : [];
      }),
  };
}

function inImage(place: string): Between {
  const directory = join(place, 'image');
  return {
    mode: 'min',
    merges: false,
    from: `type=local,src=${directory},tag=v`,
    to: 'type=inline',
    output: `type=oci,tar=false,dest=${directory},name=app:v`,
    fetched: () => undefined,
  };
}

async function inStore(root: string, action: (store: Store) => void): Promise<void> {
  const store = await openStore(root, 'none');
  try {
    action(store);
  } finally {
    await closeStore(store);
  }
}

/** A machine on disk and as the model has it. */
interface Machine {
  readonly root: string;
  readonly model: MachineModel;
  /** Layers that have come here. */
  readonly fetched: Set<string>;
}

async function remove(
  { root, model, fetched }: Machine,
  removal: Removal,
  { steps }: Prediction,
): Promise<void> {
  if (removal.removal === 'none') return;
  fetched.clear();
  if (removal.removal === 'fresh') {
    rmSync(root, { recursive: true, force: true });
    Object.assign(model, newMachine());
    return;
  }
  model.forgot = true;
  if (removal.removal === 'prune') {
    await inStore(root, (store) => {
      const keepBytes = (readCacheBytes(store) * removal.tenths) / 10;
      prune(store, { keepBytes, filter: {}, mountsUnusedFor: undefined });
    });
    model.sure.clear();
    return;
  }
  const texts = new Set(steps.filter((_, at) => (removal.mask >> at) & 1).map(({ text }) => text));
  await inStore(root, (store) =>
    removeEntries(
      store,
      [...allEntries(store)].filter(({ inputs }) => texts.has(inputs.text)),
    ),
  );
  for (const known of [model.sure, model.ever])
    for (const [definition, { text }] of known) if (texts.has(text)) known.delete(definition);
}

const layersOf = (root: string): string[] => {
  try {
    return readdirSync(join(root, 'layers'));
  } catch {
    return [];
  }
};

/** Every step that must run has run, and no other but those that may. */
function checkRan(ran: readonly string[], must: readonly string[], may: readonly string[]): void {
  const left = [...ran];
  const missing = must.filter((text) => {
    const at = left.indexOf(text);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
  const allowed = [...may];
  const tooMuch = left.filter((text) => {
    const at = allowed.indexOf(text);
    if (at >= 0) allowed.splice(at, 1);
    return at < 0;
  });
  expect({ ran, missing, tooMuch }).toEqual({ ran, missing: [], tooMuch: [] });
}

async function takeTurn(
  world: World,
  fleet: Fleet,
  machine: Machine,
  between: Between,
  { edit, removal, exports }: Turn,
  empty: string,
): Promise<readonly string[]> {
  if (edit) await apply(world, edit);
  writeFileSync(join(world.root, 'Dockerfile'), getDockerfile(world.program));
  const prediction = predict(world.program, world);
  await remove(machine, removal, prediction);
  const { root, model } = machine;
  const expected = expectRuns(fleet, model, prediction);
  const before = new Set(layersOf(root));
  between.fetched();
  const { lowerdirs, ran } = await buildHere(root, world.root, {
    cacheFrom: [between.from],
    ...(exports ? { cacheTo: [between.to] } : {}),
    ...(exports && between.output ? { output: between.output } : {}),
  });
  const files = await mounted(lowerdirs, empty);
  expect(files).toEqual(listing(prediction.files));
  const texts = (steps: readonly { readonly text: string }[]) => steps.map(({ text }) => text);
  checkRan(ran, texts(expected.must), texts(expected.may));
  const result = lowerdirs.split(':').length;
  if (ran.length === 0)
    expect(layersOf(root).filter((id) => !before.has(id)).length).toBeLessThanOrEqual(result);
  const fetched = between.fetched();
  if (fetched && ran.length === 0) expect(fetched.length).toBeLessThanOrEqual(result);
  for (const digest of fetched ?? []) {
    expect([...machine.fetched]).not.toContain(digest);
    machine.fetched.add(digest);
  }
  noteBuild(fleet, model, prediction, expected, ran);
  if (exports) noteExport(fleet, model, prediction, between.mode, between.merges);
  return files;
}

async function sequence(
  written: Program,
  turns: readonly Turn[],
  open: (place: string) => Between,
): Promise<void> {
  const place = mkdtempSync(join(tmpdir(), 'wiac-fleet-'));
  try {
    const empty = join(place, 'empty');
    mkdirSync(empty);
    const world = await newWorld(join(place, 'context'), written);
    const fleet = newFleet();
    const machines = fleet.machines.map((model, at) => ({
      root: join(place, `store${at}`),
      model,
      fetched: new Set<string>(),
    })) as [Machine, Machine];
    const between = open(place);
    let files: readonly string[] = [];
    const first: Turn = { on: 0, edit: null, removal: { removal: 'none' }, exports: true };
    for (const each of [first, ...turns])
      files = await takeTurn(world, fleet, machines[each.on], between, each, empty);
    const fresh = await buildHere(join(place, 'fresh'), world.root);
    expect(files).toEqual(await mounted(fresh.lowerdirs, empty));
    for (const { root } of machines)
      expect((await verifyHere(root)).filter(({ severity }) => severity === 'damage')).toEqual([]);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

const RUNS = process.env.WIAC_FLEET_RUNS;

test.each<[string, (place: string) => Between]>([
  ['mode=max', () => inBucket('max')],
  ['mode=min', () => inBucket('min')],
  ['inline', inImage],
])(
  'two machines with a cache between them, %s',
  async (_, open) => {
    const turns = fc.array(turn, { minLength: 2, maxLength: 5 });
    const property = fc.asyncProperty(program, turns, (written, each) =>
      sequence(written, each, open),
    );
    const chosen = RUNS === undefined ? { numRuns: 6, seed: 11 } : { numRuns: Number(RUNS) };
    await fc.assert(property, { ...chosen, interruptAfterTimeLimit: 3_600_000 });
  },
  3_600_000,
);
