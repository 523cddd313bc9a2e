/** The filter of system calls, run by an interpreter of the few instructions that it uses. */
import { describe, expect, test } from '@jest/globals';
import { seccompFilter } from '../../src/executor/local/seccomp.js';

const NEW_USER = 0x10000000;
const NEW_NET = 0x40000000;

/** What the filter says to a call: `allow`, or the number of an error. */
function ask(host: string, audit: number, number: number, flags = 0): 'allow' | number {
  const filter = seccompFilter(host) ?? Buffer.alloc(0);
  const data = new Map([
    [0, number],
    [4, audit],
    [16, flags],
  ]);
  let word = 0;
  for (let at = 0; at < filter.length / 8; at++) {
    const code = filter.readUInt16LE(at * 8);
    const operand = filter.readUInt32LE(at * 8 + 4);
    const jump = (isTrue: boolean) => {
      at += filter.readUInt8(at * 8 + (isTrue ? 2 : 3));
    };
    if (code === 0x20) word = data.get(operand) ?? Number.NaN;
    else if (code === 0x15) jump(word === operand);
    else if (code === 0x35) jump(word >= operand);
    else if (code === 0x45) jump((word & operand) !== 0);
    else if (code === 0x06) return operand === 0x7fff0000 ? 'allow' : operand & 0xffff;
    else throw new Error(`unknown instruction ${code}`);
  }
  throw new Error('the filter has no end');
}

describe.each([
  ['x64', 0xc000003e, { unshare: 272, clone: 56, keys: [248, 249, 250], write: 1 }],
  ['x64', 0x40000003, { unshare: 310, clone: 120, keys: [286, 287, 288], write: 4 }],
  ['arm64', 0xc00000b7, { unshare: 97, clone: 220, keys: [217, 218, 219], write: 64 }],
  ['arm64', 0x40000028, { unshare: 337, clone: 120, keys: [309, 310, 311], write: 4 }],
])('%s, calls of architecture %x', (host, audit, { unshare, clone, keys, write }) => {
  test('user namespaces and keys are refused, other things are not', () => {
    for (const call of [unshare, clone]) {
      expect(ask(host, audit, call, NEW_USER)).toBe(1);
      expect(ask(host, audit, call, NEW_USER | NEW_NET | 17)).toBe(1);
      expect(ask(host, audit, call, NEW_NET | 17)).toBe('allow');
    }
    for (const call of keys) expect(ask(host, audit, call)).toBe(1);
    expect(ask(host, audit, write, NEW_USER)).toBe('allow');
    // clone3 is not implemented, as far as a program can see.
    expect(ask(host, audit, 435)).toBe(38);
  });
});

test('no other convention gets past it', () => {
  expect(ask('x64', 0xc000003e, 0x40000000 + 56, NEW_USER)).toBe(38);
  expect(ask('x64', 0x1234, 56, NEW_USER)).toBe(38);
});

test('there is none for an architecture without containers', () => {
  expect(seccompFilter('riscv64')).toBeUndefined();
});
