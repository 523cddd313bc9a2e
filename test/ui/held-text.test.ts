/** Text that waits until the terminal is free. */
import { expect, test } from '@jest/globals';
import { heldText } from '../../src/ui/held-text.js';

test('what is written meanwhile comes at the end, and no more than fits in memory', () => {
  const written: string[] = [];
  const { write, hold, release } = heldText((text) => written.push(text));
  write('a');
  hold();
  write('b');
  hold();
  write('c');
  expect(written).toEqual(['a']);
  release();
  write('d');
  release();
  expect(written.splice(0)).toEqual(['a', 'b', 'c', 'd']);
  hold();
  for (let at = 0; at < 10_003; at++) write('x');
  release();
  expect(written).toHaveLength(10_001);
  expect(written.at(-1)).toBe('3 more lines not kept\n');
});
