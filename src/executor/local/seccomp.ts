/**
 * A filter of system calls for containers (seccomp(2)): what Docker refuses as well and needs no
 * capability. A new user namespace would give a program all of them again, enough to mount this
 * machine's control groups for writing; keys of root belong to this machine's root.
 */

/** Numbers of one architecture's system calls; asm/unistd.h. */
interface Architecture {
  /** AUDIT_ARCH_* of linux/audit.h. */
  readonly audit: number;
  /** add_key, request_key and keyctl. */
  readonly keys: readonly number[];
  /** clone and unshare: both begin with their flags. */
  readonly namespaces: readonly number[];
  /** From this number on calls are those of another convention (x32). */
  readonly end?: number;
}

const ARCHITECTURES: Readonly<Record<string, readonly Architecture[]>> = {
  // A 64-bit kernel takes the system calls of 32-bit programs from every process.
  x64: [
    { audit: 0xc000003e, keys: [248, 249, 250], namespaces: [56, 272], end: 0x40000000 },
    { audit: 0x40000003, keys: [286, 287, 288], namespaces: [120, 310] },
  ],
  arm64: [
    { audit: 0xc00000b7, keys: [217, 218, 219], namespaces: [220, 97] },
    { audit: 0x40000028, keys: [309, 310, 311], namespaces: [120, 337] },
  ],
};

/** The same on all architectures; its flags lie in memory, where a filter can't look. */
const CLONE3 = 435;
const CLONE_NEWUSER = 0x10000000;

const EPERM = 1;
const ENOSYS = 38;

/** Offsets in struct seccomp_data. */
const NUMBER = 0;
const ARCHITECTURE = 4;
const FIRST_ARGUMENT = 16;

/** One instruction of classic BPF: code, jumps when true and when false, operand. */
type Instruction = readonly [code: number, yes: number, no: number, operand: number];

const load = (offset: number): Instruction => [0x20, 0, 0, offset];
const answer = (value: number): Instruction => [0x06, 0, 0, value];
const allow = answer(0x7fff0000);
const fail = (errno: number): Instruction => answer(0x00050000 | errno);

/** Instructions for the case that the loaded word equals a number. */
function when(number: number, body: readonly Instruction[]): Instruction[] {
  return [[0x15, 0, body.length, number], ...body];
}

function rules({ audit, keys, namespaces, end }: Architecture): Instruction[] {
  const body: Instruction[] = [
    load(NUMBER),
    ...(end === undefined ? [] : ([[0x35, 0, 1, end], fail(ENOSYS)] as const)),
    ...keys.flatMap((number) => when(number, [fail(EPERM)])),
    // libc goes on with clone.
    ...when(CLONE3, [fail(ENOSYS)]),
    ...namespaces.flatMap((number) =>
      when(number, [load(FIRST_ARGUMENT), [0x45, 0, 1, CLONE_NEWUSER], fail(EPERM), allow]),
    ),
    allow,
  ];
  return [load(ARCHITECTURE), ...when(audit, body)];
}

/**
 * The filter as struct sock_filter[].
 * @param architecture process.arch of node
 * @returns undefined for one that containers can't be made on
 */
export function seccompFilter(architecture: string): Buffer | undefined {
  const known = ARCHITECTURES[architecture];
  if (!known) return undefined;
  const program = [...known.flatMap(rules), fail(ENOSYS)];
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, [code, yes, no, operand]] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(yes, index * 8 + 2);
    bytes.writeUInt8(no, index * 8 + 3);
    bytes.writeUInt32LE(operand >>> 0, index * 8 + 4);
  }
  return bytes;
}
