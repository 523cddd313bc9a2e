/** Capabilities by their names (capabilities(7)); each has its place in the list as its number. */
const NAMES = [
  ...['chown', 'dac_override', 'dac_read_search', 'fowner', 'fsetid', 'kill', 'setgid', 'setuid'],
  ...['setpcap', 'linux_immutable', 'net_bind_service', 'net_broadcast', 'net_admin', 'net_raw'],
  ...['ipc_lock', 'ipc_owner', 'sys_module', 'sys_rawio', 'sys_chroot', 'sys_ptrace', 'sys_pacct'],
  ...['sys_admin', 'sys_boot', 'sys_nice', 'sys_resource', 'sys_time', 'sys_tty_config', 'mknod'],
  ...['lease', 'audit_write', 'audit_control', 'setfcap', 'mac_override', 'mac_admin', 'syslog'],
  ...['wake_alarm', 'block_suspend', 'audit_read', 'perfmon', 'bpf', 'checkpoint_restore'],
];

/** All of them. */
export const ALL_CAPABILITIES: readonly number[] = NAMES.map((_, number) => number);

/** What Docker and containerd give by default. */
export const DEFAULT_CAPABILITIES: readonly number[] = [
  ...['chown', 'dac_override', 'fowner', 'fsetid', 'kill', 'setgid', 'setuid', 'setpcap'],
  ...['net_bind_service', 'net_raw', 'sys_chroot', 'mknod', 'audit_write', 'setfcap'],
].map((name) => NAMES.indexOf(name));

/**
 * Numbers of a name, with or without `CAP_`, in any case; `all` are all.
 * @returns undefined when there is none of that name
 */
export function capabilitiesNamed(name: string): readonly number[] | undefined {
  const lower = name.toLowerCase();
  if (lower === 'all') return ALL_CAPABILITIES;
  const number = NAMES.indexOf(lower.replace(/^cap_/, ''));
  return number === -1 ? undefined : [number];
}
