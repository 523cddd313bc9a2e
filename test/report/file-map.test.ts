import { expect, test } from '@jest/globals';
import { mapFiles } from '../../src/report/file-map.js';

const file = (path: string, size: number) => ({ path, mode: 'f0644', uid: 0, gid: 0, size });

test('small files are put together, and directories with one entry are one', () => {
  const entries = [
    file('usr/lib/app/large', 900),
    file('usr/lib/app/small-1', 3),
    file('usr/lib/app/small-2', 4),
    file('etc/passwd', 90),
    file('etc/empty', 0),
  ];
  const map = mapFiles(entries, new Map([['usr/lib/app/small-2', 4]]), 50, (name) => name);
  expect(map).toEqual({
    n: '',
    b: 997,
    w: 4,
    c: [
      {
        n: 'usr/lib/app',
        b: 907,
        w: 4,
        c: [
          { n: 'large', b: 900 },
          { n: '', b: 7, m: 2, w: 4 },
        ],
      },
      { n: 'etc/passwd', b: 90 },
    ],
  });
});

test('names are shown as they may be', () => {
  const { c } = mapFiles([file('a\nb', 1)], new Map(), 0, (name) => JSON.stringify(name));
  expect(c?.[0]?.n).toBe('"a\\nb"');
});
