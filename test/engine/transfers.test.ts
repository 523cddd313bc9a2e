/** Streams that are counted. */
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from '@jest/globals';
import type { BuildEvent } from '../../src/engine/events.js';
import {
  getCounter,
  meteredSink,
  transferGauge,
  transferMeter,
} from '../../src/engine/transfers.js';
import type { Descriptor, ImageSink, OpenBlob } from '../../src/oci/resolved-image.js';
import { counting } from '../../src/util/byte-counter.js';

/** A meter whose clock goes on by `ms` each time that it is looked at. */
function meter(ms: number) {
  const events: BuildEvent[] = [];
  let now = 0;
  const clock = () => {
    now += ms;
    return now;
  };
  return { events, open: transferMeter((event) => events.push(event), 't', clock) };
}

const pieces = (count: number) => () =>
  Readable.from(Array.from({ length: count }, () => Buffer.alloc(10)));
const facts = (events: readonly BuildEvent[]) =>
  events.map((event) => event.type === 'transfer' && [event.id, event.done, event.state]);

test('beginning and end are told, and something in between, not every piece', async () => {
  const { events, open } = meter(10);
  const stream = await open('pull', 'a layer', 1000, pieces(100))();
  expect(await buffer(stream)).toHaveLength(1000);
  expect(events[0]).toEqual({
    ...{ type: 'transfer', id: 't1', what: 'pull', name: 'a layer', done: 0, total: 1000 },
    ...{ durationMs: 10, state: 'running' },
  });
  expect(events.at(-1)).toMatchObject({ done: 1000, state: 'done' });
  expect(events.length).toBeGreaterThan(3);
  expect(events.length).toBeLessThan(10);
});

test('what fails says so, and begins anew when it is opened again', async () => {
  const { events, open } = meter(1);
  let attempts = 0;
  const flaky = open('push', 'a layer', undefined, () => {
    attempts += 1;
    if (attempts === 1) throw new Error('refused');
    if (attempts > 2) return pieces(2)();
    return Readable.from(
      (async function* () {
        yield Buffer.alloc(10);
        throw new Error('broken');
      })(),
    );
  });
  await expect(flaky()).rejects.toThrow('refused');
  await expect(buffer(await flaky())).rejects.toThrow('broken');
  await buffer(await flaky());
  expect(facts(events)).toEqual([
    ['t1', 0, 'running'],
    ['t1', 0, 'failed'],
    ['t1', 0, 'running'],
    ['t1', 10, 'failed'],
    ['t1', 0, 'running'],
    ['t1', 20, 'done'],
  ]);
});

test('blobs on their way into a sink, and those alone that it reads', async () => {
  const { events, open } = meter(1);
  const read = async (blob: OpenBlob) => void (await buffer(await blob()));
  const sink = {
    putBlob: ({ size }: Descriptor, blob: OpenBlob) => (size > 0 ? read(blob) : undefined),
    putGrowingBlob: (blob: OpenBlob) => read(blob),
  } as unknown as ImageSink;
  const counted = meteredSink(sink, 'push', open);
  const blob = (size: number) => ({ digest: 'sha256:x', size, mediaType: '' }) as Descriptor;
  await counted.putBlob(blob(20), pieces(2));
  await counted.putBlob(blob(0), pieces(0));
  await counted.putGrowingBlob?.(pieces(1), new Promise(() => {}));
  expect(facts(events)).toEqual([
    ['t1', 0, 'running'],
    ['t1', 20, 'done'],
    ['t3', 0, 'running'],
    ['t3', 10, 'done'],
  ]);
});

describe('what another one counts', () => {
  /** A gauge with a clock that is set by hand. */
  function gauge() {
    const events: BuildEvent[] = [];
    const time = { now: 0 };
    const open = transferGauge(
      (event) => events.push(event),
      'g',
      () => time.now,
    );
    return { events, time, open };
  }

  test('nothing is told of what is over at once', () => {
    const { events, time, open } = gauge();
    const counter = open('copy', '/app', undefined);
    counter.add(10);
    time.now = 249;
    counter.add(10);
    counter.end('done');
    expect(events).toEqual([]);
  });

  test('four times a second, and its end; each has an id of its own', () => {
    const { events, time, open } = gauge();
    open('copy', '/app', undefined);
    const counter = open('context', 'the build context', 100);
    for (time.now = 10; time.now <= 1000; time.now += 10) counter.add(1);
    counter.end('failed');
    expect(events).toEqual(
      [
        [25, 250, 'running'],
        [50, 500, 'running'],
        [75, 750, 'running'],
        [100, 1000, 'running'],
        [100, 1010, 'failed'],
      ].map(([done, durationMs, state]) => ({
        ...{ type: 'transfer', id: 'g2', what: 'context', name: 'the build context', total: 100 },
        ...{ done, durationMs, state },
      })),
    );
  });

  test('counting ends as what it counts', async () => {
    const { events, time, open } = gauge();
    const counter = getCounter({ gauge: open }, 'export', 'out');
    const work = async (add: (bytes: number) => void) => {
      time.now += 300;
      add(7);
      return 'made';
    };
    expect(await counting(counter, 9, work)).toBe('made');
    const broken = counting(counter, 9, async (add) => {
      await work(add);
      throw new Error('broken');
    });
    await expect(broken).rejects.toThrow('broken');
    expect(facts(events)).toEqual([
      ['g1', 7, 'running'],
      ['g1', 7, 'done'],
      ['g2', 7, 'running'],
      ['g2', 7, 'failed'],
    ]);
    expect(await counting(getCounter({}, 'export', 'out'), 9, work)).toBe('made');
  });
});
