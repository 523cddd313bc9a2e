/** In which order what steps made is published, and what becomes of the rest when that fails. */
import { describe, expect, test } from '@jest/globals';
import type { Publication } from '../../src/engine/publisher.js';
import { openPublisher } from '../../src/engine/publisher.js';
import type { OperationDigest } from '../../src/keys/digest.js';
import type { NewEntry } from '../../src/store/entries/entries.js';

const failure = new Error('no space');

/** Publications by number that write down what becomes of them. */
function begin() {
  const log: string[] = [];
  const failed: unknown[] = [];
  const bad = new Set<number>();
  const numberOf = ({ step }: NewEntry) => Number(step.key);
  const publish = (entries: readonly NewEntry[]) => {
    const numbers = entries.map(numberOf);
    if (numbers.some((number) => bad.has(number))) throw failure;
    log.push(`published ${numbers.join()}`);
  };
  const publisher = openPublisher(publish, (error) => failed.push(error));
  const make = (number: number, prepare: Publication['prepare'] = async () => {}): Publication => ({
    operation: `${number}` as OperationDigest,
    prepare,
    entry: () => ({ step: { key: `${number}` }, layer: undefined }) as unknown as NewEntry,
    done: async () => void log.push(`done ${number}`),
    abandon: () => log.push(`abandoned ${number}`),
  });
  return { log, failed, bad, publisher, make };
}

test('what follows each other within a moment goes into one transaction, in its order', async () => {
  const { log, publisher, make } = begin();
  publisher.add(make(1));
  publisher.add(make(2, () => new Promise((resume) => setImmediate(resume))));
  log.push('the next step began');
  await publisher.settle();
  expect(log).toEqual(['the next step began', 'published 1,2', 'done 1', 'done 2']);
});

test('it is published without being asked to', async () => {
  const { log, publisher, make } = begin();
  publisher.add(make(1));
  while (log.length < 2) await new Promise((resume) => setTimeout(resume, 5));
  expect(log).toEqual(['published 1', 'done 1']);
});

test('what stands on something that could not be published is given up, what is below it is not', async () => {
  const { log, failed, bad, publisher, make } = begin();
  bad.add(2);
  for (const number of [1, 2, 3]) publisher.add(make(number));
  await publisher.settle();
  publisher.add(make(4));
  await publisher.settle();
  expect(log).toEqual(['published 1', 'done 1', 'abandoned 2', 'abandoned 3', 'abandoned 4']);
  expect(failed).toEqual([failure]);
  await expect(publisher.flush()).rejects.toThrow(failure);
});

test('so is what could not be prepared', async () => {
  const { log, failed, publisher, make } = begin();
  publisher.add(make(1));
  publisher.add(make(2, () => Promise.reject(failure)));
  publisher.add(make(3));
  await publisher.settle();
  expect(log).toEqual(['published 1', 'done 1', 'abandoned 2', 'abandoned 3']);
  expect(failed).toEqual([failure]);
});

describe('on a full disk', () => {
  /** A publisher on one, with two publications of which the second can't even be prepared. */
  function beginFull() {
    const made = begin();
    let isFull = true;
    let tried = 0;
    const full = Object.assign(new Error('no room'), { code: 'ENOSPC' });
    const requireRoom = () => {
      tried += 1;
      if (isFull) throw full;
    };
    const publisher = openPublisher(
      (entries) => {
        requireRoom();
        made.log.push(`published ${entries.map(({ step }) => step.key).join()}`);
      },
      (error) => made.failed.push(error),
    );
    publisher.add(made.make(1));
    publisher.add(made.make(2, async () => requireRoom()));
    const isTried = async () => {
      for (tried = 0; tried < 2; ) await new Promise((resume) => setTimeout(resume, 5));
    };
    const makeRoom = () => {
      isFull = false;
    };
    return { ...made, publisher, full, isTried, makeRoom };
  }

  test('what is made waits for the end of what runs, which may give the room back', async () => {
    const { log, failed, publisher, isTried, makeRoom, make } = beginFull();
    await isTried();
    publisher.add(make(3));
    await isTried();
    expect([log, failed]).toEqual([[], []]);
    makeRoom();
    await publisher.flush();
    expect(log).toEqual(['published 1,2,3', 'done 1', 'done 2', 'done 3']);
  });

  test('it fails when nothing runs any more', async () => {
    const { log, failed, publisher, isTried, full } = beginFull();
    await isTried();
    await publisher.settle();
    expect(log).toEqual(['abandoned 1', 'abandoned 2']);
    expect(failed).toEqual([full]);
  });
});

test('a look-up waits for what it could find, and for nothing else', async () => {
  const { log, publisher, make } = begin();
  publisher.add(make(1));
  await publisher.flushFor('2' as OperationDigest);
  expect(log).toEqual([]);
  await publisher.flushFor('1' as OperationDigest);
  expect(log).toEqual(['published 1', 'done 1']);
});

test('what can not even be given up ends the build, not the process', async () => {
  const { log, failed, bad, publisher, make } = begin();
  const stuck = (number: number): Publication => ({
    ...make(number),
    abandon: () => {
      throw new Error('still there');
    },
  });
  bad.add(1);
  publisher.add(stuck(1));
  publisher.add(stuck(2));
  publisher.add(make(3));
  await publisher.settle();
  expect(log).toEqual(['abandoned 3']);
  expect(failed).toEqual([failure]);
});

test('nor does what goes wrong behind it', async () => {
  const { failed, publisher, make } = begin();
  publisher.add({ ...make(1), done: () => Promise.reject(failure) });
  await publisher.settle();
  expect(failed).toEqual([failure]);
});
