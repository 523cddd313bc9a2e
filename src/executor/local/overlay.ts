/** Options of the overlay mount (kernel documentation, filesystems/overlayfs). */
import { inUserNamespace } from '../../util/user-namespace.js';
import type { Overlay } from './operations.js';

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

/**
 * The overlay mount of some directories.
 * @param volatile true skips every sync: right where the upper directory is thrown away on a crash
 */
export function describeOverlay(
  lower: readonly string[],
  upper: Overlay['upper'],
  volatile: boolean,
): Overlay {
  const flags = [
    // Layers with redirects or without data mean nothing to any program but this kernel; in a user
    // namespace neither is possible, and naming them is refused.
    inUserNamespace() ? 'userxattr' : 'redirect_dir=off,metacopy=off',
    ...(volatile ? ['volatile'] : []),
  ];
  return { lower: withoutRepeats(lower), upper, options: flags.join(',') };
}
