import { expect, test } from '@jest/globals';
import { layTiles } from '../../src/page/treemap-tiles.js';

test('areas are sizes, and tiles lie in their frames', () => {
  const root = {
    n: '',
    b: 100,
    c: [
      {
        n: 'a',
        b: 75,
        c: [
          { n: 'x', b: 50 },
          { n: '', b: 25, m: 9 },
        ],
      },
      { n: 'b', b: 25 },
    ],
  };
  const tiles = layTiles(root, 400, 300);
  const by = new Map(tiles.map((tile) => [tile.path.join('/'), tile]));
  const [frame, inner, other] = ['a', 'a/x', 'b'].map((path) => by.get(path));
  expect(frame).toMatchObject({ isFrame: true, depth: 1 });
  if (!frame || !inner || !other) throw new Error('a tile is missing');
  expect((frame.width * frame.height) / (other.width * other.height)).toBeCloseTo(3, 0);
  expect(inner.x).toBeGreaterThanOrEqual(frame.x);
  expect(inner.y).toBeGreaterThan(frame.y);
  expect(inner.x + inner.width).toBeLessThanOrEqual(frame.x + frame.width);
  expect(by.get('a/')?.node.m).toBe(9);
});

test('nothing is laid where there is no place', () => {
  expect(layTiles({ n: '', b: 1, c: [{ n: 'a', b: 1 }] }, 0, 0)).toEqual([]);
});
