/** Build checks: BuildKit's linter (Docker documentation, "Build checks"), as a pure function. */
import type { Dockerfile } from '../dockerfile/ast.js';
import type { SourceLocation } from '../util/errors.js';
import { instructionCasing, stageCasing, stageNames } from './casing.js';
import { type CheckContext, type CheckOptions, checkContext } from './check-context.js';
import {
  ignoredSources,
  relativeWorkdir,
  repeatedInstructions,
  shellForm,
} from './check-instructions.js';
import { getDirective, isWanted, localSkips } from './directive.js';
import { exposedPorts } from './expose.js';
import { baseImages, copiedImages, defaultImages, fromWords } from './from.js';
import { type Finding, type RuleName, ruleDescription, ruleUrl } from './rules.js';
import {
  definitionDescriptions,
  deprecatedMaintainer,
  emptyContinuations,
  legacyPairs,
} from './syntax.js';
import { secretNames, undefinedVariables } from './variables.js';
import { type InstructionRule, visitStages } from './walk.js';

export type { BaseImage, CheckOptions } from './check-context.js';
export { type CheckDirective, parseCheckDirective } from './directive.js';
export { formatWarnings } from './format-findings.js';
export { type RuleName, ruleNames } from './rules.js';

/** What a rule has to say about one place. */
export interface Warning {
  readonly rule: RuleName;
  /** What the rule asks for. */
  readonly description: string;
  /** Docker's page about the rule. */
  readonly url: string;
  /** The warning for this place. */
  readonly detail: string;
  readonly location: SourceLocation;
}

export interface CheckResult {
  /** In the order of their lines. */
  readonly warnings: readonly Warning[];
  /** There are warnings, and the check directive wants them to make the build fail. */
  readonly error: boolean;
}

const FILE_RULES: readonly ((context: CheckContext) => readonly Finding[])[] = [
  emptyContinuations,
  stageCasing,
  deprecatedMaintainer,
  definitionDescriptions,
  stageNames,
  instructionCasing,
  defaultImages,
  fromWords,
  baseImages,
];

const INSTRUCTION_RULES: readonly InstructionRule[] = [
  undefinedVariables,
  legacyPairs,
  secretNames,
  shellForm,
  repeatedInstructions,
  relativeWorkdir,
  ignoredSources,
  copiedImages,
  exposedPorts,
];

/**
 * Checks all stages of a Dockerfile, whichever is built. What makes the build fail anyway (a word
 * that cannot be expanded, a port that is none) is passed over.
 *
 * @throws DockerfileError when the check directive means nothing, UsageError when the build
 *   argument BUILDKIT_DOCKERFILE_CHECK does
 */
export function checkDockerfile(dockerfile: Dockerfile, options: CheckOptions): CheckResult {
  const directive = getDirective(dockerfile, options.buildArgs);
  const context = checkContext(dockerfile, options);
  const findings = [
    ...FILE_RULES.flatMap((rule) => rule(context)),
    ...visitStages(context, INSTRUCTION_RULES),
  ];
  const skipped = localSkips(dockerfile);
  const warnings = findings
    .filter(({ rule, location }) => isWanted(rule, directive) && !skipped(rule, location.line))
    .sort((a, b) => a.location.line - b.location.line)
    .map((finding) => ({
      ...finding,
      description: ruleDescription(finding.rule),
      url: ruleUrl(finding.rule),
    }));
  return { warnings, error: directive.error && warnings.length > 0 };
}
