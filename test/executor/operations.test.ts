/** The operations that wiac-sys carries out, as it reads them. */
import { expect, test } from '@jest/globals';
import type { Operation } from '../../src/executor/local/operations.js';
import { encodeOperations } from '../../src/executor/local/operations.js';
import { IsolationError } from '../../src/util/errors.js';

const fields = (...operations: Operation[]) =>
  encodeOperations(operations).toString().split('\0').slice(0, -1);

test.each<[Operation, string[]]>([
  [{ op: 'fork' }, []],
  [{ op: 'clone', flags: 0x20000 }, ['131072', '', '', '']],
  [{ op: 'clone', flags: 0, group: '/g' }, ['0', '/g', '', '']],
  [{ op: 'clone', flags: 0, written: '/w' }, ['0', '', '/w', '']],
  [{ op: 'clone', flags: 0, waits: true }, ['0', '', '', '1']],
  [
    {
      op: 'overlay',
      target: '/t',
      flags: 4,
      lower: ['/a', '/b'],
      upper: { directory: '/u', work: '/w' },
      options: 'volatile',
    },
    ['/t', '4', 'volatile', '/u', '/w', '/a', '/b'],
  ],
  [{ op: 'hand-over', path: '/r' }, ['/r']],
  [{ op: 'unshare', flags: 0x20000 }, ['131072']],
  [
    { op: 'mount', source: 'tmpfs', target: '/t', type: 'tmpfs', flags: 2, data: 'mode=755' },
    ['tmpfs', '/t', 'tmpfs', '2', 'mode=755'],
  ],
  [
    { op: 'mount-point', root: '/r', base: '/dev', path: 'shm/x', kind: 'file' },
    ['/r', '/dev', 'shm/x', 'file'],
  ],
  [
    { op: 'write', path: '/s', mode: 0o400, uid: 1, gid: 2, content: Buffer.from('é\0') },
    ['/s', '400', '1', '2', 'c3a900'],
  ],
  [{ op: 'user', uid: 1, gid: 2, groups: [3, 4] }, ['1', '2', '3', '4']],
  [
    {
      op: 'env',
      pairs: [
        ['A', '1'],
        ['B', ''],
      ],
    },
    ['A', '1', 'B', ''],
  ],
  [{ op: 'exec', argv: ['/bin/sh', '-c', ''] }, ['/bin/sh', '-c', '']],
  [{ op: 'relay-streams', ptmx: '/p', pts: '/d', uid: 0, always: false }, ['/p', '/d', '0', '']],
])('%j', (operation, values) => {
  expect(fields(operation)).toEqual([operation.op, String(values.length), ...values]);
});

test('one after the other', () => {
  expect(fields({ op: 'fork' }, { op: 'chdir', path: '/' })).toEqual([
    'fork',
    '0',
    'chdir',
    '1',
    '/',
  ]);
});

test.each<Operation>([
  { op: 'env', pairs: [['A', 'x\0exec\x001\0/bin/sh']] },
  { op: 'exec', argv: ['a', 'b\0'] },
  { op: 'chdir', path: '/\0' },
])('a NUL byte would begin another operation: %j', (operation) => {
  expect(() => encodeOperations([operation])).toThrow(IsolationError);
});

test('the message has no value, which can be a secret', () => {
  expect(() => encodeOperations([{ op: 'env', pairs: [['A', 'secret\0']] }])).toThrow(
    /^env: a value/,
  );
});
