/** `wiac build --check`: BuildKit's linter rules in the place of a build. */
import { checkDockerfile, formatWarnings } from '../check/check.js';
import { DockerfileError } from '../errors.js';
import type { DockerfileOptions } from './dockerfile-input.js';
import { parsePairs, readDockerfile, wantedPlatform } from './dockerfile-input.js';

/**
 * Prints the warnings.
 * @throws DockerfileError when `# check=error=true` makes them one
 */
export function checkCommand(
  path: string,
  options: DockerfileOptions,
  format: 'text' | 'json',
): void {
  const { dockerfile, ignores } = readDockerfile(path, options);
  const result = checkDockerfile(dockerfile, {
    buildArgs: parsePairs(options.buildArg, '--build-arg'),
    platform: wantedPlatform(options.platform),
    buildPlatform: wantedPlatform(undefined),
    ignores,
  });
  process.stdout.write(formatWarnings(result, dockerfile, format));
  const [first] = result.warnings;
  if (result.error && first) {
    throw new DockerfileError(
      `the check found ${result.warnings.length} warnings`,
      first.location,
      {
        hint: 'this Dockerfile asks for warnings to be errors: # check=error=true',
      },
    );
  }
}
