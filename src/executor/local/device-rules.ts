/**
 * Which devices a container's processes may make and open, whatever nodes they find: the rules of a device
 * control group (Linux documentation, admin-guide/cgroup-v1/devices). Pure.
 */
import type { Device } from './devices.js';

/** One exception from "none". */
export interface DeviceRule {
  readonly kind: Device['kind'];
  /** Undefined: any number. */
  readonly major: number | undefined;
  readonly minor: number | undefined;
  /** Letters of `rwm`: read, write, make a node. */
  readonly access: string;
}

function character(major: number, minor: number | undefined): DeviceRule {
  return { kind: 'character', major, minor, access: 'rwm' };
}

/**
 * As runc has them by default, and so Docker: nodes of all devices may be made, because packages and archives
 * bring some; the devices that every container has may be used.
 */
const DEFAULT_RULES: readonly DeviceRule[] = [
  { kind: 'character', major: undefined, minor: undefined, access: 'm' },
  { kind: 'block', major: undefined, minor: undefined, access: 'm' },
  ...[3, 5, 7, 8, 9].map((minor) => character(1, minor)),
  // tty, console, ptmx, and all below /dev/pts.
  ...[0, 1, 2].map((minor) => character(5, minor)),
  character(136, undefined),
];

/** @param devices those that the container was given */
export function deviceRules(devices: readonly Device[]): DeviceRule[] {
  const given = devices.map(({ kind, major, minor }) => ({ kind, major, minor, access: 'rwm' }));
  return [...DEFAULT_RULES, ...given];
}

/** A line for devices.allow of version 1. */
export function ruleLine({ kind, major, minor, access }: DeviceRule): string {
  return `${kind === 'block' ? 'b' : 'c'} ${major ?? '*'}:${minor ?? '*'} ${access}`;
}
