/** Steps whose programs are of another platform than this machine. */
import { hostPlatform, parsePlatform, platformFit } from '../../oci/platform.js';
import type { RunStep } from '../../plan/step.js';
import { UnsupportedError } from '../../util/errors.js';
import { canRun, interpreterWithin } from './binfmt.js';

const HINT =
  'register an interpreter with binfmt_misc (apt-get install qemu-user-static), or cross-compile in a stage with FROM --platform=$BUILDPLATFORM';

function refusal(platform: string): string {
  return `this machine can't run programs for ${platform}`;
}

/** @throws UnsupportedError when this machine can't run programs of the step's platform */
export function requirePlatform({ platform, location }: RunStep): void {
  if (canRun(parsePlatform(platform)) !== false) return;
  throw new UnsupportedError(`RUN: ${refusal(platform)}`, location, { hint: HINT });
}

/** Why a program of another platform could not be started, if that was the reason. */
export function foreignFailure(
  { platform }: RunStep,
  startError: string | undefined,
): { readonly message: string; readonly hint: string } | undefined {
  const wanted = parsePlatform(platform);
  if (startError === undefined || platformFit(hostPlatform(), wanted) !== undefined)
    return undefined;
  if (startError.includes('Exec format error')) return { message: refusal(platform), hint: HINT };
  const interpreter = interpreterWithin(wanted);
  if (interpreter === undefined) return undefined;
  return {
    message: `the kernel looks for ${interpreter}, which runs programs for ${platform}, in the image`,
    hint: 'register it with the flag F (fix binary), as qemu-user-static of Debian does, or copy it there',
  };
}
