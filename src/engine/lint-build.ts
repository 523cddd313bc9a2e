/** What the linter has to say of a build, with the images that the build has resolved anyway. */

import type { BaseImage, CheckResult } from '../check/check-dockerfile.js';
import { checkDockerfile } from '../check/check-dockerfile.js';
import { formatPlatform, hostPlatform } from '../oci/platform.js';
import { DockerfileError } from '../util/errors.js';
import { plural } from '../util/plural.js';
import type { BuildEvent } from './events.js';
import type { PlanImage, PlanImages } from './images/plan-images.js';
import type { BuildInput } from './inputs/build-input.js';
import { getPlatform } from './plan-dockerfile.js';
import type { DockerfileRequest } from './request.js';

/** What the rules ask of an image. */
export function checkedImage(image: PlanImage | undefined): BaseImage | undefined {
  if (image === undefined) return undefined;
  if ('stored' in image) return { platform: image.stored.platform, config: image.stored.config };
  const { config } = 'inPlace' in image ? image.inPlace : image;
  return { platform: formatPlatform(config), config: { Env: [], ...config.config } };
}

/** What shows the warnings of the linter. */
export type LintEvent = BuildEvent & { readonly type: 'lint' };

/** @throws DockerfileError when `# check=error=true` makes warnings one */
export function refuseWarnings({ warnings, error }: CheckResult): void {
  const [first] = warnings;
  if (!error || !first) return;
  const message = `the check found ${plural(warnings.length, 'warning')}, the first is ${first.rule}: ${first.detail}`;
  throw new DockerfileError(message, first.location, {
    hint: 'the Dockerfile makes warnings errors: # check=error=true',
  });
}

/**
 * Checks the Dockerfile of a build.
 * @returns the event that shows the warnings; undefined when there are none
 * @throws DockerfileError as refuseWarnings
 */
export function lintBuild(
  { dockerfile, ignores }: BuildInput,
  request: DockerfileRequest,
  images: PlanImages,
): LintEvent | undefined {
  const result = checkDockerfile(dockerfile, {
    buildArgs: request.buildArgs ?? {},
    platform: getPlatform(request),
    buildPlatform: formatPlatform(hostPlatform()),
    ignores,
    baseImage: (reference, platform) => checkedImage(images.get({ reference, platform })),
  });
  refuseWarnings(result);
  if (result.warnings.length === 0) return undefined;
  const warnings = result.warnings.map(({ rule, description, detail, url, location }) => ({
    rule,
    description,
    detail,
    url,
    file: location.file,
    line: location.line,
  }));
  return { type: 'lint', warnings };
}
