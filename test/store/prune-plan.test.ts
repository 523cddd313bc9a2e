/** What a prune would remove, for made-up caches. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { PruneInput, PruneItem } from '../../src/store/gc/prune-input.js';
import { keepingValue } from '../../src/store/gc/prune-order.js';
import { planAll, planItems, planToLimit } from '../../src/store/gc/prune-plan.js';
import { stageLayers } from '../../src/store/gc/stage-layers.js';
import type { LayerId } from '../../src/store/records.js';

const MB = 1_000_000;
const HOUR = 3_600_000;
const NOW = 1000 * 24 * HOUR;

const id = (name: string) => name as LayerId;

/** An entry that makes the layer of its name. */
function entry(name: string, base: string, change: Partial<PruneItem> = {}): PruneItem {
  return {
    kind: 'entry',
    id: name,
    text: name,
    layer: id(name),
    base: [...base].map(id),
    bytes: 0,
    rebuildMs: 1000,
    lastUsed: NOW - HOUR,
    removable: true,
    ...change,
  };
}

function input(
  items: readonly PruneItem[],
  sizes: Readonly<Record<string, number>>,
  rest: Partial<PruneInput> = {},
): PruneInput {
  const own = new Map(Object.entries(sizes).map(([name, bytes]) => [id(name), bytes]));
  const none = { kept: new Set<LayerId>(), named: new Set<LayerId>(), aside: new Set<LayerId>() };
  return { items, own, shares: [], ...none, now: NOW, ...rest };
}

const names = (plan: { items: readonly { item: PruneItem }[] }) =>
  plan.items.map(({ item }) => item.id).join('');
const layers = (plan: { layers: ReadonlySet<LayerId> }) => [...plan.layers].sort().join('');

describe('the value of keeping something', () => {
  test.each([
    ['slower to make', [2000, MB, HOUR], [1000, MB, HOUR]],
    ['smaller', [1000, MB, HOUR], [1000, 2 * MB, HOUR]],
    ['used later', [1000, MB, HOUR], [1000, MB, 2 * HOUR]],
    ['half as slow, a third of the age', [1000, MB, HOUR], [2000, MB, 3 * HOUR]],
    ['a build of a minute above a copy', [60_000, 300 * MB, 24 * HOUR], [300, 200 * MB, HOUR]],
    [
      'a day of no use outweighs that no more',
      [300, 200 * MB, HOUR],
      [60_000, 300 * MB, 9e3 * HOUR],
    ],
  ] as const)('%s', (_, [a, b, c], [x, y, z]) => {
    expect(keepingValue(a, b, c)).toBeGreaterThan(keepingValue(x, y, z));
  });

  test.each([
    ['nothing to free', [1000, 0, HOUR], [1000, 4096, HOUR]],
    ['just now', [1000, MB, 0], [1000, MB, 60_000]],
  ] as const)('no difference: %s', (_, [a, b, c], [x, y, z]) => {
    expect(keepingValue(a, b, c)).toBe(keepingValue(x, y, z));
  });
});

describe('down to a limit', () => {
  test.each([
    ['the limit is kept: nothing goes', 30, ''],
    ['one byte too many: the least valuable goes', 29, 'c'],
    ['as many as it takes', 19, 'cb'],
    ['a limit of 0: everything', 0, 'cba'],
  ])('%s', (_, limit, expected) => {
    const items = [
      entry('a', '', { rebuildMs: 9000 }),
      entry('b', '', { rebuildMs: 5000 }),
      entry('c', '', { rebuildMs: 1000 }),
    ];
    const plan = planToLimit(input(items, { a: 10 * MB, b: 10 * MB, c: 10 * MB }), limit * MB);
    expect(names(plan)).toBe(expected);
    expect(plan.remaining).toBe((3 - expected.length) * 10 * MB);
    expect(plan.freed).toBe(expected.length * 10 * MB);
  });

  test('a layer never goes before what stands on it', () => {
    const items = [entry('a', '', { rebuildMs: 0 }), entry('b', 'a', { rebuildMs: 99_000 })];
    expect(names(planToLimit(input(items, { a: 10 * MB, b: MB }), 10 * MB))).toBe('b');
    expect(names(planToLimit(input(items, { a: 10 * MB, b: MB }), 9 * MB))).toBe('ba');
  });

  test('what no result needs goes first, but not at any price', () => {
    const items = [entry('a', ''), entry('b', '', { rebuildMs: 3000 })];
    const sizes = { a: 10 * MB, b: 10 * MB };
    const aside = { aside: new Set([id('b')]) };
    expect(names(planToLimit(input(items, sizes), 15 * MB))).toBe('a');
    expect(names(planToLimit(input(items, sizes, aside), 15 * MB))).toBe('b');
    const slow = [entry('a', ''), entry('b', '', { rebuildMs: 20_000 })];
    expect(names(planToLimit(input(slow, sizes, aside), 15 * MB))).toBe('a');
  });

  test('layers of stages that are only copied from', () => {
    const made = (layer: string, base: string, ...reads: string[]) => ({
      layer: id(layer),
      base: [...base].map(id),
      readLayers: reads.map((read) => [...read].map(id)),
    });
    const entries = [made('a', ''), made('b', 'a'), made('c', 'ab'), made('r', 'a', 'abc')];
    expect([...stageLayers(entries, [])]).toEqual(['b', 'c'].map(id));
    // An image has one of them, or another step stands on it.
    expect([...stageLayers(entries, [id('b')])]).toEqual(['c'].map(id));
    expect([...stageLayers([...entries, made('s', 'abc')], [])]).toEqual([]);
  });

  test('a tiny slow step does not hold a huge layer that nobody used for long', () => {
    const items = [
      entry('a', '', { rebuildMs: 300, lastUsed: NOW - 400 * HOUR }),
      entry('b', 'a', { rebuildMs: 20_000, lastUsed: NOW - 400 * HOUR }),
      entry('c', '', { rebuildMs: 20_000 }),
    ];
    const sizes = { a: 500 * MB, b: 4096, c: 100 * MB };
    expect(names(planToLimit(input(items, sizes), 150 * MB))).toBe('ba');
  });

  test('a cheap base does not take everything with it when a part will do', () => {
    const items = [
      entry('a', '', { rebuildMs: 1 }),
      entry('b', 'a'),
      entry('c', 'a', { rebuildMs: 9000 }),
    ];
    expect(names(planToLimit(input(items, { a: 50 * MB, b: 5 * MB, c: 5 * MB }), 57 * MB))).toBe(
      'b',
    );
  });

  test('what is kept stays, with all below it; what is not removable as well', () => {
    const items = [
      entry('a', ''),
      entry('b', 'a'),
      entry('c', ''),
      entry('d', 'c', { removable: false }),
    ];
    const sizes = { a: MB, b: MB, c: MB, d: MB };
    const kept = new Set(['a', 'b'].map(id));
    expect(planToLimit(input(items, sizes, { kept }), 0)).toMatchObject({
      items: [],
      remaining: 4 * MB,
    });
    const named = planToLimit(input(items, sizes, { kept, named: kept }), 0);
    expect(named).toMatchObject({ items: [], remaining: 2 * MB });
  });

  test('layers that nobody needs go first, whatever the limit', () => {
    const plan = planToLimit(input([entry('a', '')], { a: MB, x: MB }), 2 * MB);
    expect({ names: names(plan), layers: layers(plan), freed: plan.freed }).toEqual({
      names: '',
      layers: 'x',
      freed: MB,
    });
  });

  test('two entries of one layer: it goes with the second', () => {
    const items = [entry('a', '', { id: '1' }), entry('a', '', { id: '2' })];
    const plan = planToLimit(input(items, { a: MB }), 0);
    expect(plan.items.map(({ bytes }) => bytes)).toEqual([0, MB]);
  });

  test('an image without a name goes with the first of its layers', () => {
    const image = entry('i', 'ab', { kind: 'image', layer: undefined, rebuildMs: 0 });
    const items = [entry('a', ''), entry('b', 'a', { rebuildMs: 1 }), image];
    const plan = planToLimit(input(items, { a: MB, b: MB }), MB);
    expect(names(plan)).toBe('ib');
  });
});

describe('blobs', () => {
  const blob = entry('z', '', { kind: 'blob', layer: id('a'), bytes: MB, rebuildMs: 10 });
  const items = [entry('a', ''), blob];

  test('one that is cheap to make goes before its layer', () => {
    expect(names(planToLimit(input(items, { a: MB }), MB))).toBe('z');
  });

  test('it goes with its layer', () => {
    const plan = planItems(input(items, { a: MB }), items.slice(0, 1));
    expect(names(plan).split('').sort().join('')).toBe('az');
    expect(plan.freed).toBe(2 * MB);
  });

  test('that of a named image goes, the layer stays', () => {
    const kept = new Set([id('a')]);
    const plan = planAll(input(items, { a: MB }, { kept, named: kept }));
    expect({
      names: names(plan),
      layers: layers(plan),
      freed: plan.freed,
      remaining: plan.remaining,
    }).toEqual({
      names: 'z',
      layers: '',
      freed: MB,
      remaining: 0,
    });
  });
});

describe('hard links', () => {
  const items = ['a', 'b', 'c'].map((name, at) =>
    entry(name, '', { lastUsed: NOW - (9 - at) * HOUR }),
  );
  const shares = [{ holders: ['a', 'b', 'c'].map(id), bytes: 90 * MB, elsewhere: false }];
  const sizes = { a: MB, b: MB, c: MB };

  test('counted once; freed with the last layer that has them', () => {
    const plan = planToLimit(input(items, sizes, { shares }), 0);
    expect(plan.items.map(({ bytes }) => bytes)).toEqual([MB, MB, 91 * MB]);
    expect(plan.freed).toBe(93 * MB);
  });

  test('a layer that stays keeps them', () => {
    const plan = planItems(input(items, sizes, { shares }), items.slice(0, 2));
    expect(plan).toMatchObject({ freed: 2 * MB, remaining: 91 * MB });
  });

  test('they are nothing to gain as long as a named image has them', () => {
    const kept = new Set([id('c')]);
    const plan = planAll(input(items, sizes, { shares, kept, named: kept }));
    expect(plan).toMatchObject({ freed: 2 * MB, remaining: 0 });
  });

  test('names elsewhere: never freed', () => {
    const held = shares.map((share) => ({ ...share, elsewhere: true }));
    expect(planAll(input(items, sizes, { shares: held })).freed).toBe(3 * MB);
  });
});

/** Random caches: trees of layers, some named, some not removable, some with shared files. */
const caches = fc
  .array(
    fc.record({
      parent: fc.nat(),
      size: fc.integer({ min: 0, max: 50 }),
      rebuildMs: fc.nat({ max: 100_000 }),
      age: fc.nat({ max: 1000 }),
      removable: fc.boolean(),
      named: fc.integer({ min: 0, max: 9 }),
      sharedWith: fc.option(fc.nat()),
    }),
    { minLength: 1, maxLength: 14 },
  )
  .map((specs) => {
    const items: PruneItem[] = [];
    const named = new Set<LayerId>();
    const shares: PruneInput['shares'][number][] = [];
    for (const [at, spec] of specs.entries()) {
      const name = String.fromCharCode(97 + at);
      const below = items[spec.parent % (at + 1)];
      const base = below ? [...below.base, id(below.id)] : [];
      const { rebuildMs, removable } = spec;
      const lastUsed = NOW - spec.age * HOUR;
      items.push(entry(name, '', { base, rebuildMs, removable, lastUsed }));
      if (spec.named === 0) for (const layer of [...base, id(name)]) named.add(layer);
      const other = spec.sharedWith === null ? undefined : items[spec.sharedWith % (at + 1)];
      if (other && other.id !== name)
        shares.push({ holders: [id(other.id), id(name)], bytes: 7 * MB, elsewhere: false });
    }
    const sizes = Object.fromEntries(
      items.map((item, at) => [item.id, (specs[at]?.size ?? 0) * MB]),
    );
    return input(items, sizes, { named, kept: named, shares });
  });

/** What a set of layers takes that no named image needs, counted anew. */
function getSize({ own, shares, named }: PruneInput, gone: ReadonlySet<LayerId>): number {
  const left = [...own].filter(([layer]) => !gone.has(layer) && !named.has(layer));
  const shared = shares.filter(
    ({ holders }) =>
      !holders.every((layer) => gone.has(layer)) && !holders.some((layer) => named.has(layer)),
  );
  return [...left.map(([, bytes]) => bytes), ...shared.map(({ bytes }) => bytes)].reduce(
    (a, b) => a + b,
    0,
  );
}

test('property: bytes add up, nothing goes that must stay, the limit is kept if it can be', () => {
  fc.assert(
    fc.property(caches, fc.nat({ max: 500 }), (cache, limit) => {
      const plan = planToLimit(cache, limit * MB);
      const gone = new Set(plan.items.map(({ item }) => item));
      expect(plan.remaining).toBe(getSize(cache, plan.layers));
      expect(plan.remaining).toBe(getSize(cache, new Set()) - plan.freed);
      for (const layer of plan.layers) expect(cache.kept.has(layer)).toBe(false);
      const stays = cache.items.filter((item) => !gone.has(item));
      for (const item of stays)
        for (const layer of item.base) expect(plan.layers.has(layer)).toBe(false);
      for (const item of gone) expect(item.removable).toBe(true);
      if (plan.remaining > limit * MB) {
        // Then everything that stays is held by something that must stay.
        for (const { layer } of stays) {
          const above = stays.some(
            (item) =>
              !item.removable &&
              layer !== undefined &&
              (item.layer === layer || item.base.includes(layer)),
          );
          expect(above || (layer !== undefined && cache.kept.has(layer))).toBe(true);
        }
      }
    }),
  );
});

test('thousands of entries: the plan is not quadratic', () => {
  const items = Array.from({ length: 20_000 }, (_, at) => entry(`l${at}`, '', { rebuildMs: at }));
  const sizes = Object.fromEntries(items.map((item) => [item.id, MB]));
  expect(planToLimit(input(items, sizes), 100 * MB).layers.size).toBe(19_900);
});
