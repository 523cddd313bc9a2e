/** SOURCE_DATE_EPOCH (reproducible-builds.org/specs) as a Dockerfile can say it. */
import type { Dockerfile } from '../dockerfile/ast.js';
import type { SourceLocation } from '../util/errors.js';
import { DockerfileError, UsageError } from '../util/errors.js';
import { globalArguments } from './arguments.js';
import type { PlanOptions } from './plan.js';
import { splitStages, targetStage } from './stages.js';
import { textBudget } from './text-budget.js';

/** The argument's name. */
export const EPOCH_ARGUMENT = 'SOURCE_DATE_EPOCH';

/** 9999-12-31, the last day that RFC 3339 can name. */
const MAX_SECONDS = 253_402_300_799;

/** Seconds since 1970; undefined when the text says no time. */
function epochSeconds(text: string): number | undefined {
  const seconds = Number(text);
  return /^\d+$/.test(text) && seconds <= MAX_SECONDS ? seconds : undefined;
}

/**
 * Seconds since the epoch from SOURCE_DATE_EPOCH (reproducible-builds.org/specs).
 * @throws UsageError
 */
export function parseEpoch(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const seconds = epochSeconds(text);
  if (seconds !== undefined) return seconds;
  throw new UsageError(`SOURCE_DATE_EPOCH=${text} is no time`, {
    hint: 'it is the number of seconds since 1970-01-01',
  });
}

/** What decides the value besides the text. */
type EpochOptions = Pick<PlanOptions, 'buildArgs' | 'target' | 'platform' | 'buildPlatform'>;

/**
 * The default that an ARG before the first FROM, or one of the stage that is built, gives it. What
 * the command line or the environment says counts before it, and is the caller's to know.
 * @throws DockerfileError when it is no time
 */
export function dockerfileEpoch(dockerfile: Dockerfile, options: EpochOptions): number | undefined {
  const parts = splitStages(dockerfile);
  const { escape: escapeCharacter } = dockerfile.directives;
  const last = dockerfile.instructions.at(-1)?.location;
  const location = last ?? { file: dockerfile.file, line: 1, column: 1, endLine: 1 };
  const inStage = targetStage(parts, options.target, location).body.flatMap((instruction) =>
    instruction.kind === 'arg' ? instruction : [],
  );
  let found: { text: string; location: SourceLocation } | undefined;
  const declared = [...parts.globalArgs, ...inStage].flatMap((instruction) =>
    instruction.args.map((arg) => ({ ...arg, location: instruction.location })),
  );
  if (!declared.some(({ name }) => name === EPOCH_ARGUMENT)) return undefined;
  const { values: scope } = globalArguments(parts, options, escapeCharacter, textBudget());
  for (const { name, defaultValue, location: place } of declared) {
    if (name !== EPOCH_ARGUMENT || defaultValue === undefined) continue;
    const text = /^\d+$/.test(defaultValue) ? defaultValue : (scope.get(name) ?? defaultValue);
    found = { text, location: place };
  }
  if (found === undefined || found.text === '') return undefined;
  const seconds = epochSeconds(found.text);
  if (seconds !== undefined) return seconds;
  throw new DockerfileError(`${EPOCH_ARGUMENT}=${found.text} is no time`, found.location, {
    hint: 'it is the number of seconds since 1970-01-01',
  });
}
