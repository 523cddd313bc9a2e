/** The house as it is drawn: a room uses only those below it (docs/draw-house.js, CONTRIBUTING.md). */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, test } from '@jest/globals';
import {
  drawHouse,
  getHouse,
  getRoom,
  imports,
  MARKS,
  ROOMS,
  sources,
} from '../../docs/draw-house.js';

const rooms = ROOMS.map(([name]) => name ?? '');
const houses = [...new Set(rooms.map(getHouse))];
const all = imports().filter(({ to }) => to.startsWith('src/'));

test('every folder of src/ is a room of the picture', () => {
  const there = new Set(all.map(({ from }) => getRoom(from)));
  expect([...there].filter((room) => !rooms.includes(room) && room !== 'cli/declare')).toEqual([]);
});

test('no import goes upwards', () => {
  const upwards = all.filter(
    ({ from, to }) =>
      houses.indexOf(getHouse(getRoom(to))) < houses.indexOf(getHouse(getRoom(from))),
  );
  expect(upwards).toEqual([]);
});

test('no two files have the same name', () => {
  const names = [...new Set(all.flatMap(({ from, to }) => [from, to]))]
    .map((path) => basename(path))
    .filter((name) => name !== 'index.ts');
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});

test("CONTRIBUTING.md's picture is that of the imports", () => {
  const [begin = '', end = ''] = MARKS;
  const text = readFileSync('CONTRIBUTING.md', 'utf8');
  const drawn = text.split(begin)[1]?.split(end)[0]?.trim();
  // `node docs/draw-house.js` draws it anew.
  expect(drawn).toBe(drawHouse());
});

test('the tables of the index are known to store/ alone', () => {
  const others = all.filter(
    ({ from, to }) => getHouse(getRoom(from)) !== 'store' && getRoom(to) === 'store/index',
  );
  expect(others).toEqual([]);
});

test('lmdb is known to store/index/ alone', () => {
  const known = sources('src').filter((path) => /from 'lmdb'/.test(readFileSync(path, 'utf8')));
  expect(known.filter((path) => getRoom(path) !== 'store/index')).toEqual([]);
});
