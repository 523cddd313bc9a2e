/** An interpreter of the few instructions of eBPF that a program for devices has (RFC 9669). */

/** Who asks for which device: struct bpf_cgroup_dev_ctx. */
export interface Asked {
  /** BPF_DEVCG_DEV_BLOCK or BPF_DEVCG_DEV_CHAR. */
  readonly type: 1 | 2;
  /** Bits of BPF_DEVCG_ACC_MKNOD, _READ and _WRITE. */
  readonly access: number;
  readonly major: number;
  readonly minor: number;
}

/** @returns what the program says: 1 to allow */
export function askProgram(program: Buffer, { type, access, major, minor }: Asked): number {
  const context = [(access << 16) | type, major, minor];
  const registers: number[] = [];
  for (let at = 0; ; at++) {
    const [code, nibbles] = [program.readUInt8(at * 8), program.readUInt8(at * 8 + 1)];
    const [to, from] = [nibbles & 15, nibbles >> 4];
    const offset = program.readInt16LE(at * 8 + 2);
    const value = program.readInt32LE(at * 8 + 4);
    const read = (register: number): number => {
      const found = registers[register];
      // The kernel refuses such a program.
      if (found === undefined) throw new Error(`register ${register} was never written`);
      return found;
    };
    if (code === 0x61) registers[to] = context[offset / 4] ?? Number.NaN;
    else if (code === 0xb4) registers[to] = value;
    else if (code === 0xbc) registers[to] = read(from);
    else if (code === 0x54) registers[to] = read(to) & value;
    else if (code === 0x74) registers[to] = read(to) >>> value;
    else if (code === 0x56) at += read(to) === value ? 0 : offset;
    else if (code === 0x95) return read(0);
    else throw new Error(`no instruction ${code}`);
  }
}
