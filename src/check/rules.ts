/**
 * The rules of BuildKit's linter by name (Docker documentation, "Build checks"); what they say is
 * in wiac's own words.
 */
import type { SourceLocation } from '../util/errors.js';

interface RuleInfo {
  readonly description: string;
  /** Off unless `experimental=` names it; `skip=` has no say in it. */
  readonly experimental?: true;
}

const RULES = {
  StageNameCasing: { description: 'A stage name is written in lower case' },
  FromAsCasing: { description: 'AS is written in the case of its FROM' },
  NoEmptyContinuation: {
    description: 'An empty line within an instruction will become an error in Docker',
  },
  ConsistentInstructionCasing: {
    description: 'All instructions of a Dockerfile are written in the same case',
  },
  DuplicateStageName: { description: 'Every stage has a name of its own' },
  ReservedStageName: { description: 'A stage is not called what means something else in FROM' },
  JSONArgsRecommended: {
    description:
      'CMD and ENTRYPOINT in JSON form start the program itself, so that it gets signals',
  },
  MaintainerDeprecated: { description: 'MAINTAINER is deprecated: use a LABEL for the author' },
  UndefinedArgInFrom: { description: 'FROM uses only arguments that an ARG before it declares' },
  WorkdirRelativePath: {
    description: 'The first WORKDIR is absolute, so that it does not depend on the base image',
  },
  UndefinedVar: { description: 'A variable is defined before it is used' },
  MultipleInstructionsDisallowed: {
    description: 'An instruction of which only the last one counts stands once in a stage',
  },
  LegacyKeyValueFormat: { description: 'Names and values are joined by =, not by a blank' },
  InvalidBaseImagePlatform: { description: 'A base image is for the platform that is built' },
  RedundantTargetPlatform: {
    description: 'FROM has no --platform that is $TARGETPLATFORM, its default',
  },
  SecretsUsedInArgOrEnv: { description: 'ARG and ENV hold no secrets: everybody can read them' },
  InvalidDefaultArgInFrom: {
    description: 'FROM names an image also when no build argument is given',
  },
  FromPlatformFlagConstDisallowed: { description: 'The --platform of a FROM is not a constant' },
  CopyIgnoredFile: {
    description: 'COPY and ADD name no file that .dockerignore leaves out',
  },
  InvalidDefinitionDescription: {
    description:
      'A comment right above FROM or ARG describes it: # name description; an empty line sets other comments apart',
    experimental: true,
  },
  ExposeProtoCasing: { description: 'A protocol in EXPOSE is written in lower case' },
  ExposeInvalidFormat: {
    description: 'EXPOSE has neither IP addresses nor ports of the host; an error in Docker soon',
  },
} as const satisfies Record<string, RuleInfo>;

export type RuleName = keyof typeof RULES;

/** What a rule found, and where. */
export interface Finding {
  readonly rule: RuleName;
  readonly detail: string;
  readonly location: SourceLocation;
}

/** Names of all rules. */
export function ruleNames(): readonly RuleName[] {
  return Object.keys(RULES) as RuleName[];
}

/** One sentence on what a rule asks for. */
export function ruleDescription(rule: RuleName): string {
  return RULES[rule].description;
}

/** True for rules that are off by default. */
export function isExperimental(rule: RuleName): boolean {
  return 'experimental' in RULES[rule];
}

/** Docker's page about a rule. */
export function ruleUrl(rule: RuleName): string {
  const kebab = rule.replace(/(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, '-').toLowerCase();
  return `https://docs.docker.com/go/dockerfile/rule/${kebab}/`;
}
