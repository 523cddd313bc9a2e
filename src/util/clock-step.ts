/** A tick of the kernel's clock takes up to 10 ms. */
const TICK_MS = 50;

/** ext3, ext4 with inodes of 128 bytes, HFS+ and SFTP count whole seconds, FAT every second one. */
const SECONDS_MS = 2000 + TICK_MS;

/**
 * Times of change move in steps: of two changes within one step the later one can't be seen (git: "racily clean"). The
 * time itself tells how long the steps are at most. Only ctime does: programs set mtime to whole seconds.
 * @param ctimeMs of a file, since the epoch
 * @returns ms
 */
export function clockStep(ctimeMs: number): number {
  return ctimeMs % 1000 === 0 ? SECONDS_MS : TICK_MS;
}
