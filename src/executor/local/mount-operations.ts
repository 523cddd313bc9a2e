/** Operations that mount, in short. */
import type { Container, MountPlace } from './container.js';
import type { Operation } from './operations.js';
import { MS } from './operations.js';

export const HARDENED = MS.NOSUID | MS.NODEV | MS.NOEXEC;

export const PTS_OPTIONS = 'newinstance,ptmxmode=0666,mode=0620';

/** In which order mounts are made: those around others first, and of several at one place the last one on top. */
export function compareMounts(a: MountPlace, b: MountPlace): number {
  const depth = ({ target }: MountPlace) => target.split('/').length;
  return depth(a) - depth(b) || (a.order ?? 0) - (b.order ?? 0);
}

export function mount(
  source: string,
  target: string,
  type: string,
  flags: number,
  data = '',
): Operation {
  return { op: 'mount', source, target, type, flags, data };
}

export function mountIn(
  root: string,
  source: string,
  path: string,
  type: string,
  flags: number,
  data = '',
): Operation {
  return { op: 'mount-in', root, source, path, type, flags, data };
}

/**
 * Devices are what the container has in /dev. One that a program makes itself would be this
 * machine's disk. RUN --security=insecure is asked for to work with those (mount an image's file).
 */
export function devices({ insecure }: Pick<Container, 'insecure'>): number {
  return insecure ? 0 : MS.NODEV;
}
