/** Capabilities by the names of capabilities(7), as --cap-add and --cap-drop take them. */

/** In the order of their numbers in linux/capability.h, from 0 on. */
const NAMES = [
  ...['CHOWN', 'DAC_OVERRIDE', 'DAC_READ_SEARCH', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID'],
  ...['SETPCAP', 'LINUX_IMMUTABLE', 'NET_BIND_SERVICE', 'NET_BROADCAST', 'NET_ADMIN', 'NET_RAW'],
  ...['IPC_LOCK', 'IPC_OWNER', 'SYS_MODULE', 'SYS_RAWIO', 'SYS_CHROOT', 'SYS_PTRACE', 'SYS_PACCT'],
  ...['SYS_ADMIN', 'SYS_BOOT', 'SYS_NICE', 'SYS_RESOURCE', 'SYS_TIME', 'SYS_TTY_CONFIG', 'MKNOD'],
  ...['LEASE', 'AUDIT_WRITE', 'AUDIT_CONTROL', 'SETFCAP', 'MAC_OVERRIDE', 'MAC_ADMIN', 'SYSLOG'],
  ...['WAKE_ALARM', 'BLOCK_SUSPEND', 'AUDIT_READ', 'PERFMON', 'BPF', 'CHECKPOINT_RESTORE'],
];

/** The capabilities Docker and containerd give by default. */
const DEFAULT_NAMES = [
  ...['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP'],
  ...['NET_BIND_SERVICE', 'NET_RAW', 'SYS_CHROOT', 'MKNOD', 'AUDIT_WRITE', 'SETFCAP'],
];

/** All of them. */
export const ALL_CAPABILITIES: readonly number[] = NAMES.map((_, number) => number);

/** Their numbers. */
export const DEFAULT_CAPABILITIES: readonly number[] = DEFAULT_NAMES.map((name) =>
  NAMES.indexOf(name),
);

/** Those that a process has. @param status text of its /proc/PID/status */
export function heldCapabilities(status: string): number[] {
  const [, mask = '0'] = /^CapPrm:\s*([0-9a-f]+)$/m.exec(status) ?? [];
  return ALL_CAPABILITIES.filter((number) => (BigInt(`0x${mask}`) >> BigInt(number)) & 1n);
}

/** Their names, without `CAP_`. */
export function namesOf(capabilities: readonly number[]): string[] {
  return capabilities.flatMap((number) => NAMES[number] ?? []);
}

/**
 * Numbers of a name, with or without `CAP_`, in any case; `ALL` are all.
 * @returns undefined when there is none of that name
 */
export function capabilitiesNamed(name: string): readonly number[] | undefined {
  const plain = name.toUpperCase().replace(/^CAP_/, '');
  if (plain === 'ALL') return ALL_CAPABILITIES;
  const number = NAMES.indexOf(plain);
  return number === -1 ? undefined : [number];
}

/** A name that there is not. */
export interface UnknownCapability {
  readonly unknown: string;
}

/**
 * The capabilities of a container that was given some and lost others. ALL stands for all of them;
 * single names count before it, as with docker: `--cap-drop=ALL --cap-add=CHOWN` leaves one.
 */
export function getCapabilities(
  add: readonly string[],
  drop: readonly string[],
): readonly number[] | UnknownCapability {
  const unknown = [...add, ...drop].find((name) => capabilitiesNamed(name) === undefined);
  if (unknown !== undefined) return { unknown };
  const isAll = (name: string) => capabilitiesNamed(name) === ALL_CAPABILITIES;
  const single = (names: readonly string[]) =>
    names.filter((name) => !isAll(name)).flatMap((name) => capabilitiesNamed(name) ?? []);
  const dropped = single(drop);
  const start = add.some(isAll) ? ALL_CAPABILITIES : drop.some(isAll) ? [] : DEFAULT_CAPABILITIES;
  const kept = start.filter((number) => !dropped.includes(number));
  return [...new Set([...kept, ...single(add)])].sort((a, b) => a - b);
}
