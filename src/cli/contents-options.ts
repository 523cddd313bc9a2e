/** What commands that look into images have in common: which image, of which platform, reached how. */
import type { SubjectAccess } from '../engine/contents/image-subject.js';
import { wantedPlatform } from './dockerfile-input.js';
import type { RegistryAccessOptions } from './registry-options.js';
import { registryAccess } from './registry-options.js';

/** As commander gives them. */
export interface ContentsOptions extends RegistryAccessOptions {
  readonly platform?: string;
}

/** @throws UsageError */
export async function subjectAccess(options: ContentsOptions): Promise<SubjectAccess> {
  return {
    platform: options.platform === undefined ? undefined : wantedPlatform(options.platform),
    registry: await registryAccess(options),
    environment: process.env,
  };
}
