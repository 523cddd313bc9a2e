/**
 * Compiles a Dockerfile to a DAG of steps. Pure: the same text, arguments and platform give the
 * same plan, byte for byte.
 */
import { posix } from 'node:path';
import type { Dockerfile, FromInstruction, Instruction } from '../dockerfile/ast.js';
import { parseTrigger } from '../dockerfile/parse.js';
import type { SourceLocation } from '../errors.js';
import { DockerfileError, UnsupportedError } from '../errors.js';
import type { ContainerConfig, HistoryEntry } from '../image/config.js';
import { SCRATCH_CONFIG } from '../image/config.js';
import { changeConfig } from './config-changes.js';
import { copyStep } from './copy-step.js';
import type { GraphBuilder } from './graph.js';
import { graphBuilder } from './graph.js';
import type { Plan, PlanOptions } from './plan.js';
import { runStep } from './run-step.js';
import type { Expander } from './scope.js';
import { expander, platformArgs, predefinedArgs } from './scope.js';
import type { Stage, Stages } from './stages.js';
import {
  nearStage,
  splitStages,
  stageByName,
  stageByReference,
  stageHint,
  targetStage,
} from './stages.js';
import type { StepId } from './step.js';

/** A stage while it is compiled, and what stages that build on it inherit. */
export interface StageState {
  readonly stage: Stage;
  config: ContainerConfig;
  /** ARG values in effect. */
  args: Map<string, string>;
  head: StepId;
  cmdInStage: boolean;
  history: (HistoryEntry & { readonly step: StepId })[];
}

/** What the compilation of one Dockerfile works with. */
export interface Compilation {
  readonly dockerfile: Dockerfile;
  readonly options: PlanOptions;
  readonly stages: readonly Stage[];
  readonly globals: ReadonlyMap<string, string>;
  readonly graph: GraphBuilder;
  readonly done: Map<Stage, StageState>;
  /** Stages being compiled, outermost first: a stage that is asked for again is a cycle. */
  readonly active: Stage[];
  readonly consumedArgs: Set<string>;
}

function globalScope(
  parts: Stages,
  options: PlanOptions,
  escapeCharacter: '\\' | '`',
  consumed: Set<string>,
): Map<string, string> {
  const scope = platformArgs(options.platform, options.target);
  const expand = expander(escapeCharacter, (name) => scope.get(name));
  for (const { args, location } of parts.globalArgs) {
    for (const { name, defaultValue } of args) {
      const given = options.buildArgs[name];
      if (given !== undefined) {
        scope.set(name, given);
        consumed.add(name);
      } else if (defaultValue !== undefined) scope.set(name, expand(defaultValue, location));
    }
  }
  return scope;
}

/** The state a stage begins with: that of the stage it is based on, or nothing. */
function begin(compilation: Compilation, stage: Stage): StageState {
  const { dockerfile, globals, stages } = compilation;
  const { location } = stage.from;
  const expand = expander(dockerfile.directives.escape, (name) => globals.get(name));
  const image = expand(stage.from.image, location);
  checkPlatform(compilation, stage.from, expand);
  if (image === '') {
    throw new DockerfileError(`FROM ${stage.from.image} is empty after expansion`, location, {
      hint: 'give the ARG a default before the first FROM, or pass --build-arg',
    });
  }
  const base = stageByName(stages.slice(0, stage.index), image);
  if (base) {
    const parent = compileStage(compilation, base, location);
    return {
      ...parent,
      stage,
      args: new Map(parent.args),
      cmdInStage: false,
      history: [...parent.history],
    };
  }
  return image === 'scratch'
    ? beginScratch(compilation, stage)
    : beginImage(compilation, stage, image);
}

function beginScratch({ graph }: Compilation, stage: Stage): StageState {
  const head = graph.add({
    kind: 'source',
    reference: 'scratch',
    digest: undefined,
    parent: undefined,
    reads: [],
    text: stage.from.original,
    stage: stage.title,
    location: stage.from.location,
  });
  return { stage, config: SCRATCH_CONFIG, args: new Map(), head, cmdInStage: false, history: [] };
}

function beginImage(compilation: Compilation, stage: Stage, reference: string): StageState {
  const { config, history } = compilation.options.image(reference);
  const head = imageStep(compilation, reference, stage.title, stage.from);
  return {
    stage,
    config,
    args: new Map(),
    head,
    cmdInStage: false,
    history: history.map((entry) => ({ ...entry, step: head })),
  };
}

/** The step that stands for the layers of an image. */
function imageStep(
  { options, graph }: Compilation,
  reference: string,
  stage: string,
  { original, location }: Instruction,
): StepId {
  return graph.add({
    kind: 'source',
    reference,
    digest: options.image(reference).digest,
    parent: undefined,
    reads: [],
    text: stage === 'images' ? reference : original,
    stage,
    location,
  });
}

function checkPlatform({ options }: Compilation, from: FromInstruction, expand: Expander): void {
  const flag = from.flags.find(({ name }) => name === 'platform');
  if (!flag) return;
  const platform = expand(flag.value ?? '', flag.location);
  if (platform !== options.platform) {
    throw new UnsupportedError(
      `--platform=${platform}: only ${options.platform}, this machine's own, can be built`,
      flag.location,
    );
  }
}

/** Looks names up as an instruction of the stage sees them: ENV wins over ARG. */
function stageLookup(state: StageState): (name: string) => string | undefined {
  return (name) => {
    const variable = state.config.Env.find((item) => item.startsWith(`${name}=`));
    return variable === undefined ? state.args.get(name) : variable.slice(name.length + 1);
  };
}

function declareArgs(
  compilation: Compilation,
  state: StageState,
  instruction: Instruction & { kind: 'arg' },
  expand: Expander,
): void {
  const { options, globals, consumedArgs } = compilation;
  for (const { name, defaultValue } of instruction.args) {
    const given = options.buildArgs[name];
    consumedArgs.add(name);
    const value =
      given ??
      (defaultValue !== undefined ? expand(defaultValue, instruction.location) : globals.get(name));
    if (value !== undefined) state.args.set(name, value);
  }
}

function addStep(
  compilation: Compilation,
  state: StageState,
  instruction: Instruction,
  expand: Expander,
): void {
  const common = {
    parent: state.head,
    text: instruction.original,
    stage: state.stage.title,
    location: instruction.location,
  };
  const { graph } = compilation;
  const findStage = (reference: string) =>
    originOf(compilation, reference, state.stage, instruction);
  switch (instruction.kind) {
    case 'copy':
      state.head = graph.add({
        ...common,
        ...copyStep(instruction, state.config, expand, findStage),
      });
      break;
    case 'run':
      state.head = graph.add({
        ...common,
        ...runStep(instruction, {
          config: state.config,
          args: state.args,
          hidden: hiddenArgs(compilation, state),
          expand,
          options: compilation.options,
          findStage,
          contextFiles: (path) => contextFiles(compilation, path, instruction),
        }),
      });
      break;
    case 'workdir':
      state.head = graph.add({
        ...common,
        kind: 'workdir',
        reads: [],
        path: state.config.WorkingDir,
        user: state.config.User ?? '',
      });
      break;
    default:
      state.head = graph.add({ ...common, kind: 'meta', reads: [] });
  }
}

/**
 * A COPY of files of the build context to their own path, for a bind mount: the layer keeps what
 * the step saw, .dockerignore applied, and is found again by its content like any other.
 */
function contextFiles({ graph }: Compilation, path: string, instruction: Instruction): StepId {
  const common = { stage: 'context', location: instruction.location };
  const parent = graph.add({
    ...common,
    kind: 'source',
    reference: 'scratch',
    digest: undefined,
    parent: undefined,
    reads: [],
    text: 'build context',
  });
  const destination = posix.resolve('/', path);
  return graph.add({
    ...common,
    kind: 'copy',
    parent,
    reads: [],
    text: `build context ${destination}`,
    from: undefined,
    sources: [path],
    inline: [],
    destination,
    chown: undefined,
    chmod: undefined,
    parents: false,
    exclude: [],
    link: false,
  });
}

/** Predefined arguments that were given and that the Dockerfile does not declare. */
function hiddenArgs({ options }: Compilation, state: StageState): [string, string][] {
  return predefinedArgs().flatMap((name): [string, string][] => {
    const value = options.buildArgs[name];
    return value === undefined || state.args.has(name) ? [] : [[name, value]];
  });
}

function refuseUnsupported(instruction: Instruction): void {
  if (instruction.kind === 'add') {
    throw new UnsupportedError('ADD is not supported yet', instruction.location, {
      hint: 'use COPY for files of the build context',
    });
  }
}

/** The step whose files `from=` means: a stage, or else an image. */
function originOf(
  compilation: Compilation,
  reference: string,
  current: Stage,
  instruction: Instruction,
): StepId {
  const { location } = instruction;
  const stage = stageByReference(compilation.stages, reference);
  if (stage === current) {
    throw new DockerfileError(`--from=${reference}: a stage can't copy from itself`, location, {
      hint: 'split it into two stages',
    });
  }
  if (stage) return compileStage(compilation, stage, location).head;
  refuseMisspelled(compilation.stages, reference, location);
  return imageStep(compilation, reference, 'images', instruction);
}

/** A word that is nearly the name of a stage is more likely a slip than an image of that name. */
function refuseMisspelled(
  stages: readonly Stage[],
  reference: string,
  location: SourceLocation,
): void {
  const near = nearStage(stages, reference);
  if (near === undefined && !/^\d+$/.test(reference)) return;
  throw new DockerfileError(`--from=${reference}: there is no such build stage`, location, {
    hint: stageHint(stages, reference),
  });
}

function compileStage(
  compilation: Compilation,
  stage: Stage,
  location: Instruction['location'],
): StageState {
  const finished = compilation.done.get(stage);
  if (finished) return finished;
  if (compilation.active.includes(stage)) {
    const circle = [...compilation.active.slice(compilation.active.indexOf(stage)), stage];
    throw new DockerfileError(
      `build stages depend on each other in a circle: ${circle.map(({ title }) => title).join(' -> ')}`,
      location,
      { hint: 'a stage can only use what does not need the stage itself' },
    );
  }
  compilation.active.push(stage);
  const state = begin(compilation, stage);
  const expand = expander(compilation.dockerfile.directives.escape, stageLookup(state));
  for (const instruction of [...takeTriggers(state), ...stage.body]) {
    refuseUnsupported(instruction);
    if (instruction.kind === 'arg') declareArgs(compilation, state, instruction, expand);
    else state.config = changeConfig(state.config, instruction, expand, state);
    if (instruction.kind === 'cmd') state.cmdInStage = true;
    addStep(compilation, state, instruction, expand);
    const makesLayer = ['run', 'copy', 'workdir'].includes(instruction.kind);
    state.history.push({
      created_by: instruction.original,
      empty_layer: !makesLayer,
      step: state.head,
    });
  }
  compilation.active.pop();
  compilation.done.set(stage, state);
  return state;
}

/** ONBUILD of what the stage is based on: carried out first, and no longer part of the config. */
function takeTriggers(state: StageState): Instruction[] {
  const { OnBuild = [], ...config } = state.config;
  state.config = config;
  return OnBuild.map((text) => parseTrigger(text, state.stage.from.location));
}

/** Steps that the target does not need may be there from a stage that was asked for and dropped. */
function unusedArgs({ options, consumedArgs }: Compilation): string[] {
  const known = new Set([...consumedArgs, ...predefinedArgs()]);
  return Object.keys(options.buildArgs).filter((name) => !known.has(name));
}

/**
 * Compiles a Dockerfile.
 * @throws DockerfileError for what can mean nothing, UnsupportedError for what wiac can't do yet
 */
export function compile(dockerfile: Dockerfile, options: PlanOptions): Plan {
  const parts = splitStages(dockerfile);
  const consumedArgs = new Set<string>();
  const globals = globalScope(parts, options, dockerfile.directives.escape, consumedArgs);
  const compilation: Compilation = {
    dockerfile,
    options,
    stages: parts.stages,
    globals,
    graph: graphBuilder(),
    done: new Map(),
    active: [],
    consumedArgs,
  };
  const last = dockerfile.instructions.at(-1)?.location;
  const location = last ?? { file: dockerfile.file, line: 1, column: 1, endLine: 1 };
  const target = targetStage(parts.stages, options.target, location);
  const result = compileStage(compilation, target, location);
  const labelled = Object.keys(options.labels).length > 0;
  const unused = unusedArgs(compilation);
  return {
    platform: options.platform,
    steps: compilation.graph.steps(),
    target: result.head,
    config: labelled
      ? { ...result.config, Labels: { ...result.config.Labels, ...options.labels } }
      : result.config,
    history: result.history,
    warnings: unused.map(
      (name) => `build argument ${name} was given, but no ARG of a built stage declares it`,
    ),
  };
}
