/** Warns of images that are for another platform. */
import { platformWarning } from '../engine/images/platform-warning.js';
import type { Platform } from '../oci/resolved-image.js';

/** @param wanted `os/architecture[/variant]` */
export function warnOfPlatform(reference: string, image: Platform, wanted: string): void {
  const warning = platformWarning(reference, image, wanted);
  if (warning !== undefined) process.stderr.write(`wiac: warning: ${warning}\n`);
}
