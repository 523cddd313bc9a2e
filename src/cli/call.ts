/** `wiac build --call`: questions about a Dockerfile in the place of a build, as buildx asks them. */
import type { CheckOptions } from '../check/check-dockerfile.js';
import type { BuildInput } from '../engine/inputs/build-input.js';
import { formatOutline, formatTargets } from '../outline/format-outline.js';
import { getOutline } from '../outline/outline.js';
import { listTargets } from '../outline/targets.js';
import { splitCsv } from '../util/csv-attributes.js';
import { UsageError } from '../util/errors.js';
import { checkInput, readInput } from './check-command.js';
import type { SetExitCode } from './declare/options.js';
import type { DockerfileOptions } from './dockerfile-input.js';
import { getBuildArgs, wantedPlatform } from './dockerfile-input.js';

const METHODS = ['build', 'check', 'outline', 'targets'] as const;

/** The question of --call, and the form of the answer. */
export interface Call {
  readonly method: (typeof METHODS)[number];
  readonly format: 'text' | 'json';
}

function unknown(text: string): UsageError {
  return new UsageError(`--call ${text}: not understood`, {
    hint: `write ${METHODS.join(', ')}, with ,format=json for programs`,
  });
}

/**
 * Reads the value of --call: a method, and `format=json`.
 * @param format when the value has none
 * @throws UsageError
 */
export function parseCall(text: string, format: Call['format']): Call {
  const fields = splitCsv(text);
  if (!fields) throw unknown(text);
  const call: { method: Call['method'] | undefined; format: Call['format'] } = {
    method: undefined,
    format,
  };
  for (const field of fields) {
    const method = METHODS.find((each) => each === (field === 'lint' ? 'check' : field));
    if (method !== undefined && call.method === undefined) call.method = method;
    else if (field === 'format=json') call.format = 'json';
    else if (field === 'format=text') call.format = 'text';
    else throw unknown(text);
  }
  if (call.method === undefined) throw unknown(text);
  return { method: call.method, format: call.format };
}

function asked(
  { dockerfile }: BuildInput,
  { method, format }: Call,
  options: DockerfileOptions,
): string {
  const checkOptions: CheckOptions = {
    buildArgs: getBuildArgs(options.buildArg),
    platform: wantedPlatform(options.platform),
    buildPlatform: wantedPlatform(undefined),
    ignores: undefined,
  };
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  if (method === 'targets') {
    const list = listTargets(dockerfile);
    return format === 'json' ? json(list) : formatTargets(list);
  }
  const outline = getOutline(dockerfile, checkOptions, options.target);
  return format === 'json' ? json(outline) : formatOutline(outline);
}

/**
 * Answers on standard output; nothing is built.
 * @param inGithub warnings are annotations as well
 * @throws DockerfileError, ContextError, UsageError
 */
export function callCommand(
  path: string,
  call: Call,
  options: DockerfileOptions,
  setExitCode: SetExitCode,
  inGithub = false,
): Promise<void> {
  return readInput(path, options, async (input) => {
    if (call.method === 'check')
      return checkInput(input, options, { format: call.format, inGithub }, setExitCode);
    process.stdout.write(asked(input, call, options));
  });
}
