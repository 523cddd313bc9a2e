/** Secrets that are taken out of what is kept. */
import { expect, test } from '@jest/globals';
import { hiddenTexts } from '../../src/engine/history/hidden-texts.js';

test.each([
  [['abcd'], 'abcd', '*'],
  [['abcd'], 'xabcdx abc abcd', 'x*x abc *'],
  [['abcd', 'abcdef'], 'abcdef abcde', '* *e'],
  // Whichever begins first: nothing is left of the longer one.
  [['xxab', 'ab-long-one'], 'xxab-long-one', '*'],
  [['abcd', 'cdef'], 'abcdef', '*'],
  [['aaaa'], 'aaaaaa', '*'],
  [['abc'], 'abc', 'abc'],
  [[], 'abcd', 'abcd'],
  [['\u00e4\u00f6\u00fc\u20ac'], '\u00e4\u00f6\u00fc\u20ac!', '*!'],
])('%j in %s', (texts, text, left) => {
  const hidden = hiddenTexts();
  hidden.add(texts);
  expect(hidden.replaceIn(text, '*')).toBe(left);
});

test('20,000 lines with a secret of 10,000 lines take no minutes', () => {
  const hidden = hiddenTexts();
  hidden.add(Array.from({ length: 10_000 }, (_, index) => `line ${index} of a secret`));
  const line = 'a line of output with line 77 of a secret in it, as long as they are';
  const begun = performance.now();
  for (let count = 0; count < 20_000; count += 1) hidden.replaceIn(line, '*');
  expect(hidden.replaceIn(line, '*')).toBe('a line of output with * in it, as long as they are');
  // 0.1 s here; one after the other it is 12 s.
  expect(performance.now() - begun).toBeLessThan(3000);
});
