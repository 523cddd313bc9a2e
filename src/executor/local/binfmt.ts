/**
 * Can this machine run programs of another platform? Either the CPU does, or an interpreter (such
 * as qemu-user) is registered with the kernel's binfmt_misc (Linux documentation,
 * admin-guide/binfmt-misc).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostPlatform, normalisePlatform, platformFit } from '../../oci/platform.js';
import type { Platform } from '../../oci/resolved-image.js';

const BINFMT_DIRECTORY = '/proc/sys/fs/binfmt_misc';

/** e_machine of an architecture's programs and their byte order (System V ABI, "ELF Header"). */
const MACHINES: ReadonlyMap<string, readonly [number, 'little' | 'big']> = new Map([
  ['386', [3, 'little']],
  ['amd64', [62, 'little']],
  ['arm', [40, 'little']],
  ['arm64', [183, 'little']],
  ['loong64', [258, 'little']],
  ['mips64le', [8, 'little']],
  ['ppc64le', [21, 'little']],
  ['riscv64', [243, 'little']],
  ['s390x', [22, 'big']],
] as const);

const MACHINE_OFFSET = 18;

/** CPUs that run the programs of a smaller sibling as they are. */
const ALSO_RUNS: ReadonlyMap<string, string> = new Map([['amd64', '386']]);

function readHandlers(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name !== 'register' && name !== 'status')
      .map((name) => readFileSync(join(directory, name), 'latin1'));
  } catch {
    // Not mounted: nothing is registered.
    return [];
  }
}

/** Does the handler's magic ask for programs of that machine? */
function handles(handler: string, [machine, order]: readonly [number, 'little' | 'big']): boolean {
  if (!handler.startsWith('enabled')) return false;
  const offset = Number(/^offset (\d+)$/m.exec(handler)?.[1] ?? '0');
  const magic = Buffer.from(/^magic ([0-9a-f]+)$/m.exec(handler)?.[1] ?? '', 'hex');
  const at = MACHINE_OFFSET - offset;
  if (at < 0 || magic.length < at + 2) return false;
  return (order === 'little' ? magic.readUInt16LE(at) : magic.readUInt16BE(at)) === machine;
}

/** Can programs of the platform be run here? @param directory where binfmt_misc is mounted */
export function canRun(platform: Platform, directory = BINFMT_DIRECTORY): boolean {
  const host = hostPlatform();
  if (platformFit(host, platform) !== undefined) return true;
  const { os, architecture } = normalisePlatform(platform);
  if (os !== host.os) return false;
  if (ALSO_RUNS.get(host.architecture) === architecture) return true;
  const machine = MACHINES.get(architecture);
  return machine !== undefined && readHandlers(directory).some((text) => handles(text, machine));
}
