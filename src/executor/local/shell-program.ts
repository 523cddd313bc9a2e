/** The program of a shell: one of the image, else this machine's static busybox, which is shown inside. */
import { statSync } from 'node:fs';
import type { Stack } from '../../fs/layer/stack.js';
import { resolve } from '../../fs/layer/stack.js';
import { readElf } from '../../libs/elf.js';
import { IsolationError } from '../../util/errors.js';
import type { MountRequest } from './rootfs.js';

/** Where containers of shells have this machine's busybox: mounted there, in no layer. */
export const BUSYBOX_PATH = '/.wiac/busybox';

/** In this order; the last two are those of images with little else. */
const USUAL_SHELLS = ['/bin/bash', '/bin/sh', '/bin/ash', '/busybox/sh'];

/** Where Debian's busybox-static and Alpine's have it. */
const BUSYBOXES = ['/bin/busybox', '/usr/bin/busybox', '/bin/busybox.static'];

const EXECUTABLE = 0o111;

/** This machine's busybox, if it has one that needs no libraries. */
export function findBusybox(): string | undefined {
  return BUSYBOXES.find((path) => {
    if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return false;
    const elf = readElf(path);
    return elf !== undefined && elf.interpreter === undefined && elf.needed.length === 0;
  });
}

/** Brings busybox into a container, where there is one. */
export function showBusybox(): MountRequest[] {
  const source = findBusybox();
  if (source === undefined) return [];
  return [{ source, path: BUSYBOX_PATH, kind: 'file', readOnly: true, optional: true }];
}

function isProgram(stack: Stack, path: string): boolean {
  const stats = resolve(stack, path)?.entry?.stats;
  return stats?.isFile() === true && (stats.mode & EXECUTABLE) !== 0;
}

/**
 * The command line of a shell.
 * @param wanted absolute path in the image; undefined: whichever there is
 * @throws IsolationError when there is none
 */
export function chooseShell(stack: Stack, wanted?: string): string[] {
  if (wanted !== undefined) {
    if (isProgram(stack, wanted)) return [wanted];
    throw new IsolationError(`there is no program ${wanted} in the image`, {
      hint: 'without a path wiac takes a shell that is there, or brings busybox',
    });
  }
  const found = USUAL_SHELLS.find((path) => isProgram(stack, path));
  if (found !== undefined) return [found];
  if (findBusybox() !== undefined) return [BUSYBOX_PATH, 'sh'];
  throw new IsolationError('the image has no shell, and this machine no static busybox', {
    hint: 'apt-get install busybox-static brings one for shells; it ends up in no layer',
  });
}
