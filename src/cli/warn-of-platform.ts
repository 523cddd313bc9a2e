/** Warns of images that are for another platform. */
import { platformWarning } from '../engine/images/platform-warning.js';
import type { Platform } from '../oci/resolved-image.js';

/** A warning as a line of its own. */
export function warnOnStderr(message: string): void {
  process.stderr.write(`wiac: warning: ${message}\n`);
}

/** @param wanted `os/architecture[/variant]` */
export function warnOfPlatform(reference: string, image: Platform, wanted: string): void {
  const warning = platformWarning(reference, image, wanted);
  if (warning !== undefined) warnOnStderr(warning);
}
