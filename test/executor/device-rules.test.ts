/** Which devices a container may use: the files of version 1, the program of version 2. */
import { expect, test } from '@jest/globals';
import { deviceSettings } from '../../src/executor/local/cgroup-limits.js';
import { deviceProgram } from '../../src/executor/local/device-program.js';
import { deviceRules } from '../../src/executor/local/device-rules.js';
import { askProgram } from '../support/ebpf.js';

const DISK = { source: '/dev/x', path: 'x', mode: 0o600, uid: 0, gid: 0 } as const;
const RULES = deviceRules([{ ...DISK, kind: 'block', major: 8, minor: 17 }]);
const [BLOCK, CHARACTER] = [1, 2] as const;
const [MAKE, READ, WRITE] = [1, 2, 4];
const ALL = MAKE | READ | WRITE;

test('version 1: none but these', () => {
  const lines = deviceSettings(RULES).map(({ file, value }) => `${file} ${value}`);
  expect(lines).toEqual(
    [
      'devices.deny a',
      ...['c *:* m', 'b *:* m', 'c 1:3 rwm', 'c 1:5 rwm', 'c 1:7 rwm', 'c 1:8 rwm', 'c 1:9 rwm'],
      ...['c 5:0 rwm', 'c 5:1 rwm', 'c 5:2 rwm', 'c 136:* rwm', 'b 8:17 rwm'],
    ].map((line) => (line.startsWith('devices') ? line : `devices.allow ${line}`)),
  );
});

test('version 2: the program says the same of every device, by every access', () => {
  const program = deviceProgram(RULES);
  const usable = (type: number, major: number, minor: number) =>
    type === BLOCK
      ? major === 8 && minor === 17
      : (major === 1 && [3, 5, 7, 8, 9].includes(minor)) ||
        (major === 5 && minor <= 2) ||
        major === 136;
  for (const type of [BLOCK, CHARACTER])
    for (const major of [0, 1, 5, 7, 8, 10, 136, 137, 0xfff])
      for (const minor of [0, 1, 2, 3, 5, 6, 7, 8, 9, 11, 17, 200, 0xfffff])
        for (let access = 1; access <= ALL; access++) {
          const expected = access === MAKE || usable(type, major, minor) ? 1 : 0;
          const asked = { type, access, major, minor };
          expect({ asked, answer: askProgram(program, asked) }).toEqual({
            asked,
            answer: expected,
          });
        }
});
