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

/** What is registered; undefined where binfmt_misc is not mounted, which says nothing of the kernel. */
function readHandlers(directory: string): string[] | undefined {
  try {
    const names = readdirSync(directory);
    if (!names.includes('status')) return undefined;
    return names
      .filter((name) => name !== 'register' && name !== 'status')
      .map((name) => readFileSync(join(directory, name), 'latin1'));
  } catch {
    return undefined;
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

/** The platform's handler; undefined: there is none, `unseen`: nobody can know. */
function findHandler(platform: Platform, directory: string): string | 'unseen' | undefined {
  const machine = MACHINES.get(normalisePlatform(platform).architecture);
  if (machine === undefined) return undefined;
  const handlers = readHandlers(directory);
  return handlers === undefined ? 'unseen' : handlers.find((text) => handles(text, machine));
}

/**
 * Can programs of the platform be run here? Undefined: only an attempt can tell. In a container the kernel may have
 * interpreters that were registered outside of it, and does not show them.
 * @param directory where binfmt_misc is mounted
 */
export function canRun(platform: Platform, directory = BINFMT_DIRECTORY): boolean | undefined {
  const host = hostPlatform();
  if (platformFit(host, platform) !== undefined) return true;
  const { os, architecture } = normalisePlatform(platform);
  if (os !== host.os) return false;
  if (ALSO_RUNS.get(host.architecture) === architecture) return true;
  const handler = findHandler(platform, directory);
  return handler === 'unseen' ? undefined : handler !== undefined;
}

/**
 * The interpreter of a platform that the kernel looks for in the files of a container: it opened the others when
 * they were registered (flag F).
 */
export function interpreterWithin(
  platform: Platform,
  directory = BINFMT_DIRECTORY,
): string | undefined {
  if (platformFit(hostPlatform(), platform) !== undefined) return undefined;
  const handler = findHandler(platform, directory);
  if (handler === undefined || /^flags: .*F/m.test(handler)) return undefined;
  return /^interpreter (.+)$/m.exec(handler)?.[1];
}
