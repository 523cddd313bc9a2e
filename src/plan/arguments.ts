/** ARG: global scope, stage scope, predefined arguments (Dockerfile reference, ARG). */
import type { ArgInstruction } from '../dockerfile/ast.js';
import type { Compilation, StageState } from './compilation.js';
import type { PlanOptions } from './plan.js';
import type { Expander, GlobalScope } from './scope.js';
import { argValue, expander, globalScope, platformArgs, predefinedArgs } from './scope.js';
import type { Stages } from './stages.js';
import type { TextBudget } from './text-budget.js';

/** Value of TARGETSTAGE: the stage of --target, or the last one if it has a name. */
export function targetName({ stages }: Stages, target: string | undefined): string | undefined {
  return target ?? stages.at(-1)?.name;
}

/** Values of the ARGs before the first FROM and of the automatic platform arguments. */
export function globalArguments(
  parts: Stages,
  options: Pick<PlanOptions, 'buildArgs' | 'target' | 'platform' | 'buildPlatform'>,
  escapeCharacter: '\\' | '`',
  budget: TextBudget,
): GlobalScope {
  const { platform, buildPlatform, buildArgs } = options;
  const automatic = platformArgs(platform, buildPlatform, targetName(parts, options.target));
  return globalScope(parts.globalArgs, automatic, buildArgs, (word, values, location) =>
    expander(escapeCharacter, (name) => values.get(name), budget)(word, location),
  );
}

/** ARG in a stage: what was given, else its default, else the value of the global scope. */
export function declareArgs(
  compilation: Compilation,
  state: StageState,
  instruction: ArgInstruction,
  expand: Expander,
): void {
  const { options, globals, consumedArgs } = compilation;
  for (const { name: written, defaultValue } of instruction.args) {
    const arg = { name: expand(written, instruction.location), defaultValue };
    consumedArgs.add(arg.name);
    state.declared.add(arg.name);
    const value = argValue(arg, options.buildArgs, globals, (word) =>
      expand(word, instruction.location),
    );
    if (value === undefined) continue;
    state.args.set(arg.name, value);
    state.overEnv.add(arg.name);
  }
}

/** The variables of ENV as RUN sees them: over a value from ARG, unless ARG came later. */
export function stageEnv(state: StageState): ReadonlyMap<string, string> {
  const over = [...state.overEnv].flatMap((name): [string, string][] => {
    const value = state.args.get(name);
    return value === undefined || !state.config.env.has(name) ? [] : [[name, value]];
  });
  return over.length === 0 ? state.config.env : new Map([...state.config.env, ...over]);
}

/**
 * Predefined arguments that were given and that the Dockerfile does not declare. Programs look for
 * either spelling: one that was given counts for both, as in BuildKit.
 */
export function hiddenArgs({ options }: Compilation, state: StageState): [string, string][] {
  const { buildArgs } = options;
  return predefinedArgs().flatMap((name): [string, string][] => {
    const value = buildArgs[name] ?? buildArgs[name.toLowerCase()] ?? buildArgs[name.toUpperCase()];
    return value === undefined || state.args.has(name) ? [] : [[name, value]];
  });
}

/** Arguments that BuildKit takes for itself, and what does the same here. */
const INSTEAD: ReadonlyMap<string, string> = new Map([
  ['BUILDKIT_INLINE_CACHE', '--cache-to type=inline writes the cache into the image'],
]);

/** What is to be said of arguments that were given, and that no ARG of a stage that is built asks for. */
export function unusedArgs({ options, consumedArgs }: Compilation): string[] {
  // The export and the context's fetch read these, even when no stage declares them.
  const elsewhere = ['SOURCE_DATE_EPOCH', 'BUILDKIT_CONTEXT_KEEP_GIT_DIR'];
  const known = new Set([...consumedArgs, ...predefinedArgs(), ...elsewhere]);
  const unused = Object.keys(options.buildArgs).filter((name) => !known.has(name));
  return unused.map((name) => {
    const instead = INSTEAD.get(name);
    return instead === undefined
      ? `build argument ${name} was given, but no ARG of a built stage declares it`
      : `build argument ${name} changes nothing: ${instead}`;
  });
}

/**
 * Looks names up as an instruction of the stage sees them: of ARG and ENV the later one. (The
 * reference says that ENV always wins; BuildKit has never done that for an ARG that follows.)
 */
export function stageLookup(state: StageState): (name: string) => string | undefined {
  return (name) => {
    const env = state.overEnv.has(name) ? undefined : state.config.env.get(name);
    return env ?? state.args.get(name);
  };
}
