/** Where a user's home is. */
import { expect, test } from '@jest/globals';
import { homeDirectory, homeOr } from '../../src/util/home-directory.js';

test('$HOME counts, an empty one does not', () => {
  expect(homeDirectory({ HOME: '/home/me' })).toBe('/home/me');
  expect(homeDirectory({ HOME: '' })).toMatch(/^\//);
  expect(homeOr('/data', '.config', { HOME: '/home/me' })).toBe('/data');
  expect(homeOr('', '.config', { HOME: '/home/me' })).toBe('/home/me/.config');
});
