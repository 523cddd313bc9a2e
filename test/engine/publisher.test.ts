/** In which order what steps made is published, and what becomes of the rest when that fails. */
import { expect, test } from '@jest/globals';
import type { Publication } from '../../src/engine/publisher.js';
import { openPublisher } from '../../src/engine/publisher.js';
import type { OperationDigest } from '../../src/keys/digest.js';

const failure = new Error('no space');

/** Publications by number that write down what becomes of them. */
function begin() {
  const log: string[] = [];
  const failed: unknown[] = [];
  const publisher = openPublisher((error) => failed.push(error));
  const make = (number: number, fails = false): Publication => ({
    operation: `${number}` as OperationDigest,
    publish: () => {
      if (fails) throw failure;
      log.push(`published ${number}`);
    },
    abandon: () => log.push(`abandoned ${number}`),
  });
  return { log, failed, publisher, make };
}

const turn = () => new Promise((resume) => setImmediate(resume));

test('what is ready is published after what promises are waited for, in its order', async () => {
  const { log, publisher, make } = begin();
  publisher.add(make(1));
  publisher.add(make(2));
  await Promise.resolve().then(() => log.push('the next step began'));
  await turn();
  expect(log).toEqual(['the next step began', 'published 1', 'published 2']);
});

test('what stands on something that could not be published is given up', async () => {
  const { log, failed, publisher, make } = begin();
  publisher.add(make(1));
  publisher.add(make(2, true));
  publisher.add(make(3));
  await turn();
  publisher.add(make(4));
  publisher.settle();
  expect(log).toEqual(['published 1', 'abandoned 2', 'abandoned 3', 'abandoned 4']);
  expect(failed).toEqual([failure]);
  expect(publisher.flush).toThrow(failure);
});

test('a look-up waits for what it could find, and for nothing else', () => {
  const { log, publisher, make } = begin();
  publisher.add(make(1));
  publisher.flushFor('2' as OperationDigest);
  expect(log).toEqual([]);
  publisher.flushFor('1' as OperationDigest);
  expect(log).toEqual(['published 1']);
});

test('what can not even be given up ends the build, not the process', async () => {
  const { log, failed, publisher, make } = begin();
  const stuck = (number: number): Publication => ({
    ...make(number, true),
    abandon: () => {
      throw new Error('still there');
    },
  });
  publisher.add(stuck(1));
  publisher.add(stuck(2));
  publisher.add(make(3));
  await turn();
  expect(log).toEqual(['abandoned 3']);
  expect(failed).toEqual([failure]);
});
