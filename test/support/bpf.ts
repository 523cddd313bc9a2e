/** An interpreter of classic BPF, for filters of system calls. */

/** What a program asks the kernel: struct seccomp_data. */
export interface Call {
  /** AUDIT_ARCH_*. */
  readonly audit: number;
  readonly number: number;
  readonly args?: readonly bigint[];
}

function loadable({ audit, number, args = [] }: Call): DataView {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, audit, true);
  args.forEach((value, index) => {
    data.setBigUint64(16 + index * 8, value, true);
  });
  return data;
}

/** @returns what the filter says: SECCOMP_RET_* with its data */
export function ask(filter: Buffer, call: Call): number {
  const data = loadable(call);
  let word = 0;
  for (let at = 0; at < filter.length / 8; at++) {
    const code = filter.readUInt16LE(at * 8);
    const operand = filter.readUInt32LE(at * 8 + 4);
    const jump = (isTrue: boolean) => {
      at += filter.readUInt8(at * 8 + (isTrue ? 2 : 3));
    };
    if (code === 0x20) word = data.getUint32(operand, true);
    else if (code === 0x54) word = (word & operand) >>> 0;
    else if (code === 0x05) at += operand;
    else if (code === 0x15) jump(word === operand);
    else if (code === 0x25) jump(word > operand);
    else if (code === 0x35) jump(word >= operand);
    else if (code === 0x45) jump((word & operand) !== 0);
    else if (code === 0x06) return operand;
    else throw new Error(`unknown instruction ${code.toString(16)}`);
  }
  throw new Error('the filter has no end');
}

/** The conventions of x64 and arm64 machines, with their AUDIT_ARCH_*. */
export const CONVENTIONS = [
  { name: 'x64', host: 'x64', audit: 0xc000003e, wide: true, from: 0 },
  { name: 'x32', host: 'x64', audit: 0xc000003e, wide: false, from: 0x40000000 },
  { name: 'x86', host: 'x64', audit: 0x40000003, wide: false, from: 0 },
  { name: 'arm64', host: 'arm64', audit: 0xc00000b7, wide: true, from: 0 },
  { name: 'arm', host: 'arm64', audit: 0x40000028, wide: false, from: 0 },
] as const;

/** Every number that a convention could have, and a few beyond. */
export function numbersFrom(from: number): number[] {
  const near = Array.from({ length: 700 }, (_, index) => from + index);
  const arm = Array.from({ length: 10 }, (_, index) => from + 0xf0000 + index);
  return [...near, ...arm, from + 0x3fffffff];
}
