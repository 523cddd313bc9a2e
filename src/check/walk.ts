/** Visits the instructions of every stage, with the variables that each of them sees. */
import type { Instruction } from '../dockerfile/ast.js';
import { expandWords, type WordsExpansion } from '../dockerfile/expand.js';
import { parseTrigger } from '../dockerfile/parse-dockerfile.js';
import { envPairs } from '../oci/image-config.js';
import { argValue } from '../plan/scope.js';
import type { Stage } from '../plan/stages.js';
import { COPIED_ENTRY, type TextBudget, textBudget } from '../plan/text-budget.js';
import type { SourceLocation } from '../util/errors.js';
import { attempt, type Base, type CheckContext, getBase } from './check-context.js';
import type { Finding } from './rules.js';

/** Instructions of which only the last one of a stage counts. */
export type LastCounts = 'cmd' | 'entrypoint' | 'healthcheck';

/** What holds for an instruction because of those before it, in its stage and its base. */
export interface StageScope {
  /** ENV, and ARG with a value. */
  readonly env: ReadonlyMap<string, string>;
  /** Names of ARG, with or without a value. */
  readonly args: ReadonlySet<string>;
  /** The base image whose variables are unknown; undefined when all are known. */
  readonly unknownBase: string | undefined;
  readonly shellSet: boolean;
  readonly workdirSet: boolean;
  /** Where in this stage CMD, ENTRYPOINT and HEALTHCHECK stood last. */
  readonly last: ReadonlyMap<LastCounts, SourceLocation>;
}

/** One instruction in its stage. ARG with several names is visited once for each of them. */
export interface Visit {
  readonly context: CheckContext;
  readonly instruction: Instruction;
  /** Its place; that of FROM for an ONBUILD trigger of the base. */
  readonly location: SourceLocation;
  readonly scope: StageScope;
  /** Expands a word of it; `plain`: the content of a here-document. Undefined if it can't be. */
  readonly expand: (word: string, quotes?: 'plain') => WordsExpansion | undefined;
}

export type InstructionRule = (visit: Visit) => readonly Finding[];

/** The scope while its stage is visited. */
type State = {
  env: Map<string, string>;
  args: Set<string>;
  unknownBase: string | undefined;
  shellSet: boolean;
  workdirSet: boolean;
  last: Map<LastCounts, SourceLocation>;
};

/** Arguments that talk to BuildKit and are no variables of a stage. */
const NOT_IN_ENV = ['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE'];

/** True when ARG of that name sets no variable. */
export function isReservedArg(name: string): boolean {
  return NOT_IN_ENV.includes(name);
}

function begin(
  base: Base | undefined,
  done: ReadonlyMap<Stage, State>,
  budget: TextBudget,
  location: SourceLocation,
): State {
  const inherited = base?.kind === 'stage' ? done.get(base.stage) : undefined;
  if (inherited !== undefined) {
    const { env, args } = inherited;
    budget.spend((env.size + args.size) * COPIED_ENTRY, location);
    return { ...inherited, env: new Map(env), args: new Set(args), last: new Map() };
  }
  const config = base?.kind === 'image' ? base.image?.config : undefined;
  return {
    // PATH is always set.
    env: envPairs(['PATH=', ...(config?.Env ?? [])]),
    args: new Set(),
    unknownBase: base?.kind === 'image' && config === undefined ? base.reference : undefined,
    shellSet: (config?.Shell ?? []).length > 0,
    workdirSet: false,
    last: new Map(),
  };
}

/** ONBUILD triggers of the base, which run before the stage's own instructions. */
function triggers(stage: Stage, base: Base | undefined): readonly Instruction[] {
  const { location } = stage.from;
  if (base?.kind === 'stage') {
    return base.stage.body.flatMap((instruction) =>
      instruction.kind === 'onbuild' ? [{ ...instruction.trigger, location }] : [],
    );
  }
  const texts = base?.kind === 'image' ? (base.image?.config.OnBuild ?? []) : [];
  return texts.flatMap((text) => attempt(() => parseTrigger(text, location)) ?? []);
}

function singleArgs(instruction: Instruction): readonly Instruction[] {
  if (instruction.kind !== 'arg') return [instruction];
  return instruction.args.map((arg) => ({ ...instruction, args: [arg] }));
}

function getExpander(
  { dockerfile }: CheckContext,
  { env }: State,
  location: SourceLocation,
): Visit['expand'] {
  const lookup = (name: string) => env.get(name);
  return (word, quotes) =>
    attempt(() =>
      quotes === 'plain'
        ? // In a here-document the escape character is the shell's, whatever the directive says.
          expandWords(word, { lookup, location, quotes, escape: '\\' })
        : expandWords(word, { lookup, location, escape: dockerfile.directives.escape }),
    );
}

function declareArgs(state: State, visit: Visit & { instruction: { kind: 'arg' } }): void {
  const { options, globals } = visit.context;
  for (const { name: written, defaultValue } of visit.instruction.args) {
    const name = visit.expand(written)?.text ?? written;
    const arg = { name, defaultValue };
    const value = argValue(
      arg,
      options.buildArgs,
      globals.values,
      (word) => visit.expand(word)?.text,
    );
    state.args.add(name);
    if (value !== undefined && !isReservedArg(name)) state.env.set(name, value);
  }
}

function advance(state: State, visit: Visit): void {
  const { instruction, location, expand } = visit;
  switch (instruction.kind) {
    case 'arg':
      declareArgs(state, { ...visit, instruction });
      break;
    case 'env': {
      // All values of one ENV see the variables before it.
      const pairs = instruction.pairs.map(
        ({ key, value }) => [expand(key)?.text ?? key, expand(value)?.text ?? ''] as const,
      );
      for (const [name, value] of pairs) state.env.set(name, value);
      break;
    }
    case 'shell':
      state.shellSet = true;
      break;
    case 'workdir':
      state.workdirSet = true;
      break;
    case 'cmd':
    case 'entrypoint':
    case 'healthcheck':
      state.last.set(instruction.kind, location);
      break;
    default:
  }
}

/** Applies the rules to every instruction of every stage, whether a target needs it or not. */
export function visitStages(
  context: CheckContext,
  rules: readonly InstructionRule[],
): readonly Finding[] {
  const done = new Map<Stage, State>();
  const budget = textBudget();
  const findings: Finding[] = [];
  for (const stage of context.stages) {
    const base = getBase(context, stage);
    const state = begin(base, done, budget, stage.from.location);
    for (const instruction of [...triggers(stage, base), ...stage.body].flatMap(singleArgs)) {
      const { location } = instruction;
      const expand = getExpander(context, state, location);
      const visit: Visit = { context, instruction, location, scope: state, expand };
      for (const rule of rules) findings.push(...rule(visit));
      advance(state, visit);
    }
    done.set(stage, state);
  }
  return findings;
}
