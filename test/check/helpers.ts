import { type CheckOptions, checkDockerfile } from '../../src/check/check-dockerfile.js';
import { parseDockerfile } from '../../src/dockerfile/parse-dockerfile.js';

export const OPTIONS: CheckOptions = {
  buildArgs: {},
  platform: 'linux/amd64',
  ignores: undefined,
};

/** `line rule` of every warning about the text, in order. */
export function warned(text: string, options: Partial<CheckOptions> = {}): string[] {
  const dockerfile = parseDockerfile(text, 'Dockerfile');
  const { warnings } = checkDockerfile(dockerfile, { ...OPTIONS, ...options });
  return warnings.map(({ rule, location }) => `${location.line} ${rule}`);
}

/** The messages about the text. */
export function details(text: string, options: Partial<CheckOptions> = {}): string[] {
  const dockerfile = parseDockerfile(text, 'Dockerfile');
  return checkDockerfile(dockerfile, { ...OPTIONS, ...options }).warnings.map(
    ({ detail }) => detail,
  );
}
