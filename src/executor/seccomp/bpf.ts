/** Classic BPF as seccomp(2) runs it: one instruction after the other, jumps only forwards. */

import type { Condition } from './profile.js';

/** Code, jumps when true and when false, operand. */
export type Instruction = readonly [code: number, yes: number, no: number, operand: number];

const [LOAD, ANSWER, JUMP, AND] = [0x20, 0x06, 0x05, 0x54] as const;
const [EQUAL, ABOVE, NOT_BELOW] = [0x15, 0x25, 0x35] as const;

/** Offsets in struct seccomp_data; arguments have eight bytes, the lower half first. */
export const NUMBER = 0;
export const ARCHITECTURE = 4;
const ARGUMENTS = 16;

const WORD = 0xffffffffn;
const MOST_SKIPPED = 255;

export const load = (offset: number): Instruction => [LOAD, 0, 0, offset];
export const answer = (action: number): Instruction => [ANSWER, 0, 0, action];

/** Goes on with `body` when the loaded word equals a number, behind it otherwise. */
export function when(number: number, body: readonly Instruction[]): Instruction[] {
  if (body.length <= MOST_SKIPPED) return [[EQUAL, 0, body.length, number], ...body];
  return [[EQUAL, 1, 0, number], [JUMP, 0, 0, body.length], ...body];
}

/** Goes on with `below` when the loaded word is less than a number, else with what comes behind it. */
export function split(
  number: number,
  below: readonly Instruction[],
  rest: readonly Instruction[],
): Instruction[] {
  if (below.length <= MOST_SKIPPED)
    return [[NOT_BELOW, below.length, 0, number], ...below, ...rest];
  return [[NOT_BELOW, 0, 1, number], [JUMP, 0, 0, below.length], ...below, ...rest];
}

/** A test of the loaded word: where to go when it holds, and when not. */
type Target = 'on' | 'met' | 'unmet';
type Step =
  | { readonly plain: Instruction }
  | { readonly code: number; readonly operand: number; readonly yes: Target; readonly no: Target };

const test = (code: number, operand: bigint, yes: Target, no: Target): Step => ({
  code,
  operand: Number(operand),
  yes,
  no,
});

const and = (mask: bigint): Step[] => (mask === WORD ? [] : [{ plain: [AND, 0, 0, Number(mask)] }]);

/** The higher halves decide, or else the lower ones. */
function upper({ operator, value, masked = 0n }: Condition): Step[] {
  const half = value >> 32n;
  switch (operator) {
    case '==':
      return [test(EQUAL, half, 'on', 'unmet')];
    case '!=':
      return [test(EQUAL, half, 'on', 'met')];
    case 'masked':
      return [...and(half), test(EQUAL, masked >> 32n, 'on', 'unmet')];
    case '<':
    case '<=':
      return [test(NOT_BELOW, half, 'on', 'met'), test(EQUAL, half, 'on', 'unmet')];
    case '>':
    case '>=':
      return [test(ABOVE, half, 'met', 'on'), test(EQUAL, half, 'on', 'unmet')];
  }
}

function lower({ operator, value, masked = 0n }: Condition): Step[] {
  const half = value & WORD;
  switch (operator) {
    case '==':
      return [test(EQUAL, half, 'met', 'unmet')];
    case '!=':
      return [test(EQUAL, half, 'unmet', 'met')];
    case 'masked':
      return [...and(half), test(EQUAL, masked & WORD, 'met', 'unmet')];
    case '<':
      return [test(NOT_BELOW, half, 'unmet', 'met')];
    case '<=':
      return [test(ABOVE, half, 'unmet', 'met')];
    case '>':
      return [test(ABOVE, half, 'met', 'unmet')];
    case '>=':
      return [test(NOT_BELOW, half, 'met', 'unmet')];
  }
}

/** @param wide arguments have 64 bits; else only the lower half is looked at */
function steps(condition: Condition, wide: boolean): Step[] {
  const at = ARGUMENTS + condition.argument * 8;
  const high = wide ? [{ plain: load(at + 4) }, ...upper(condition)] : [];
  return [...high, { plain: load(at) }, ...lower(condition)];
}

/** Goes on with `body` when all conditions are met, behind it otherwise. */
export function whenAll(
  conditions: readonly Condition[],
  wide: boolean,
  body: readonly Instruction[],
): Instruction[] {
  const parts = conditions.map((condition) => steps(condition, wide));
  const total = parts.flat().length + body.length;
  const program: Instruction[] = [];
  for (const part of parts) {
    const end = program.length + part.length;
    for (const step of part) {
      const here = program.length + 1;
      const distance = { on: 0, met: end - here, unmet: total - here };
      if ('plain' in step) program.push(step.plain);
      else program.push([step.code, distance[step.yes], distance[step.no], step.operand]);
    }
  }
  return [...program, ...body];
}

/** struct sock_filter[]. */
export function encode(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, [code, yes, no, operand]] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(yes, index * 8 + 2);
    bytes.writeUInt8(no, index * 8 + 3);
    bytes.writeUInt32LE(operand >>> 0, index * 8 + 4);
  }
  return bytes;
}
