/**
 * The rules of devices as control groups of version 2 take them: a program that the kernel asks, of type
 * BPF_PROG_TYPE_CGROUP_DEVICE (Linux documentation, admin-guide/cgroup-v2, "Device controller"; instructions as in
 * RFC 9669). Pure.
 */
import type { DeviceRule } from './device-rules.js';

/** Instruction codes: 32-bit arithmetic and jumps, and what is loaded from the context. */
const CODE = {
  load: 0x61,
  move: 0xb4,
  and: 0x54,
  shiftRight: 0x74,
  moveRegister: 0xbc,
  jumpUnlessEqual: 0x56,
  exit: 0x95,
} as const;

/** Numbers of linux/bpf.h. */
const TYPE = { block: 1, character: 2 } as const;
const ACCESS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };
const ALL_ACCESS = 7;

/** struct bpf_cgroup_dev_ctx: the access in the upper half of the first word, the type in the lower one. */
const CONTEXT = { accessType: 0, major: 4, minor: 8 } as const;

/** Registers: the answer, the context, and what is read from it. */
const R = { answer: 0, context: 1, type: 2, access: 3, major: 4, minor: 5, scratch: 6 } as const;

interface Instruction {
  readonly code: number;
  readonly to?: number;
  readonly from?: number;
  readonly offset?: number;
  readonly value?: number;
}

const ANSWER = (allowed: boolean): Instruction[] => [
  { code: CODE.move, to: R.answer, value: allowed ? 1 : 0 },
  { code: CODE.exit },
];

const PROLOGUE: readonly Instruction[] = [
  { code: CODE.load, to: R.type, from: R.context, offset: CONTEXT.accessType },
  { code: CODE.moveRegister, to: R.access, from: R.type },
  { code: CODE.and, to: R.type, value: 0xffff },
  { code: CODE.shiftRight, to: R.access, value: 16 },
  { code: CODE.load, to: R.major, from: R.context, offset: CONTEXT.major },
  { code: CODE.load, to: R.minor, from: R.context, offset: CONTEXT.minor },
];

/** Each test that fails jumps behind the rule. */
function compileRule({ kind, major, minor, access }: DeviceRule): Instruction[] {
  const allowed = [...access].reduce((mask, letter) => mask | (ACCESS[letter] ?? 0), 0);
  const equal = (register: number, value: number | undefined): Instruction[] =>
    value === undefined ? [] : [{ code: CODE.jumpUnlessEqual, to: register, value }];
  const tests: Instruction[] = [
    ...equal(R.type, TYPE[kind]),
    ...(allowed === ALL_ACCESS
      ? []
      : [
          { code: CODE.moveRegister, to: R.scratch, from: R.access },
          { code: CODE.and, to: R.scratch, value: ALL_ACCESS & ~allowed },
          ...equal(R.scratch, 0),
        ]),
    ...equal(R.major, major),
    ...equal(R.minor, minor),
  ];
  const rule = [...tests, ...ANSWER(true)];
  return rule.map((instruction, index) =>
    instruction.code === CODE.jumpUnlessEqual
      ? { ...instruction, offset: rule.length - index - 1 }
      : instruction,
  );
}

/** @returns a struct bpf_insn[], in the byte order of this machine's processors, which is little-endian */
export function deviceProgram(rules: readonly DeviceRule[]): Buffer {
  const instructions = [...PROLOGUE, ...rules.flatMap(compileRule), ...ANSWER(false)];
  const program = Buffer.alloc(instructions.length * 8);
  instructions.forEach(({ code, to = 0, from = 0, offset = 0, value = 0 }, index) => {
    program.writeUInt8(code, index * 8);
    program.writeUInt8((from << 4) | to, index * 8 + 1);
    program.writeInt16LE(offset, index * 8 + 2);
    program.writeInt32LE(value, index * 8 + 4);
  });
  return program;
}
