/** Options of the overlay mount (kernel documentation, filesystems/overlayfs). */
import { mkdirSync, symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { inUserNamespace } from '../../util/user-namespace.js';

/** mount(2) copies one page of options, the terminating NUL included. */
const MAX_OPTION_BYTES = 4095;

/** Splits a lowerdir string at colons; `\:` stands for a colon in a path. */
export function parseLowerdirs(text: string): string[] {
  const parts = text.match(/(?:\\.|[^:\\])+/g) ?? [];
  return parts.map((part) => part.replace(/\\([:\\])/g, '$1'));
}

/** The reverse of parseLowerdirs. */
export function formatLowerdirs(paths: readonly string[]): string {
  return paths.map((path) => path.replace(/[\\:]/g, '\\$&')).join(':');
}

/**
 * A stack without second copies of a directory, which overlayfs refuses (ELOOP). Steps that make the
 * same layer twice leave such a stack. Only the topmost copy shows anyway: whatever the lower one
 * has or hides, that has or hides too.
 * @param paths topmost first
 */
export function withoutRepeats(paths: readonly string[]): string[] {
  return [...new Set(paths)];
}

/** Commas separate mount options, so that a path with one has to be escaped once more. */
function option(path: string): string {
  return path.replace(/[\\,:]/g, '\\$&');
}

/** The directories of one overlay mount. */
export interface OverlayDirectories {
  /** Absolute paths, topmost first. */
  readonly lower: readonly string[];
  /** Undefined for a view that can't be written to; it needs two lower directories. */
  readonly upper?: string;
  /** Empty directory on the file system of `upper`. */
  readonly work?: string;
}

/**
 * Options for the mount, with lower directories relative to `base`; long stacks get short symlinks
 * in `scratch`, because all options together must fit one page.
 * @param volatile true skips every sync: right where the upper directory is thrown away on a crash
 */
export function overlayOptions(
  directories: OverlayDirectories,
  scratch: string,
  volatile: boolean,
): { options: string; base: string } {
  const { upper, work } = directories;
  const lower = withoutRepeats(directories.lower);
  const flags = [
    // Layers with redirects or without data mean nothing to any program but this kernel; in a user
    // namespace neither is possible, and naming them is refused.
    inUserNamespace() ? 'userxattr' : 'redirect_dir=off,metacopy=off',
    ...(volatile ? ['volatile'] : []),
  ].join(',');
  const format = (lowerdirs: readonly string[], place: (path: string) => string) => {
    const writable =
      upper === undefined || work === undefined
        ? ''
        : `upperdir=${option(place(upper))},workdir=${option(place(work))},`;
    return `lowerdir=${lowerdirs.map(option).join(':')},${writable}${flags}`;
  };
  const plain = format(lower, (path) => path);
  if (Buffer.byteLength(plain) <= MAX_OPTION_BYTES) return { options: plain, base: '/' };
  const links = join(scratch, 'lower');
  mkdirSync(links);
  const short = lower.map((path, index) => {
    const name = index.toString(36);
    symlinkSync(path, join(links, name));
    return name;
  });
  return { options: format(short, (path) => relative(links, path)), base: links };
}
