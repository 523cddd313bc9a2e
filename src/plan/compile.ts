/**
 * Compiles a Dockerfile to a DAG of steps. Pure: the same text, arguments and platform give the
 * same plan, byte for byte.
 */
import type { Dockerfile, FromInstruction, Instruction } from '../dockerfile/ast.js';
import { parseTrigger } from '../dockerfile/parse.js';
import type { WiacError } from '../errors.js';
import { DockerfileError } from '../errors.js';
import { HISTORY_COMMENT } from '../image/config.js';
import { formatPlatform, parsePlatform } from '../oci/platform.js';
import { declareArgs, globalScope, hiddenArgs, stageLookup, unusedArgs } from './arguments.js';
import type { Compilation, StageState } from './compilation.js';
import { changeConfig } from './config-changes.js';
import { copySteps } from './copy-step.js';
import type { NewStep } from './graph.js';
import { graphBuilder } from './graph.js';
import { createdBy } from './history.js';
import { contextFiles, originOf, remoteStep, stageStart } from './origins.js';
import type { Plan, PlanOptions } from './plan.js';
import type { RemoteSource } from './remote.js';
import { runStep } from './run-step.js';
import type { Expander } from './scope.js';
import { expander } from './scope.js';
import type { Stage } from './stages.js';
import { splitStages, targetStage } from './stages.js';

/** The state a stage begins with. */
function begin(compilation: Compilation, stage: Stage): StageState {
  const { dockerfile, globals } = compilation;
  const { location } = stage.from;
  const expand = expander(dockerfile.directives.escape, (name) => globals.get(name));
  const image = expand(stage.from.image, location);
  if (image === '') {
    throw new DockerfileError(`FROM ${stage.from.image} is empty after expansion`, location, {
      hint: 'give the ARG a default before the first FROM, or pass --build-arg',
    });
  }
  const platform = stagePlatform(compilation, stage.from, expand);
  return { stage, cmdInStage: false, ...stageStart(compilation, stage, image, platform) };
}

/** FROM --platform; empty means what is built for, as when an argument has no value. */
function stagePlatform({ options }: Compilation, from: FromInstruction, expand: Expander): string {
  const flag = from.flags.find(({ name }) => name === 'platform');
  const platform = expand(flag?.value ?? '', flag?.location ?? from.location);
  if (platform === '') return options.platform;
  try {
    return formatPlatform(parsePlatform(platform));
  } catch (error) {
    const { message, hint } = error as WiacError;
    throw new DockerfileError(`--platform: ${message}`, flag?.location ?? from.location, { hint });
  }
}

/** The steps of an instruction: one, but for an ADD that mixes local and remote sources. */
function stepsOf(
  compilation: Compilation,
  state: StageState,
  instruction: Instruction,
  expand: Expander,
): NewStep[] {
  const { options } = compilation;
  const { config, args, stage, head, platform } = state;
  const { original: text, location } = instruction;
  const common = { parent: head, text, stage: stage.title, platform, location };
  const findOrigin = (reference: string) => originOf(compilation, reference, stage, instruction);
  switch (instruction.kind) {
    case 'copy':
    case 'add': {
      const fetch = (source: RemoteSource) => remoteStep(compilation, source, location);
      const scope = { config, expand, findOrigin, fetch };
      return copySteps(instruction, scope).map((operands) => ({ ...common, ...operands }));
    }
    case 'run': {
      const hidden = hiddenArgs(compilation, state);
      const findFiles = (reference: string | undefined, path: string) => {
        const origin = reference === undefined ? { context: '' } : findOrigin(reference);
        if ('step' in origin) return origin.step;
        return contextFiles(compilation, origin.context, path, platform, location);
      };
      const operands = runStep(instruction, { config, args, hidden, expand, options, findFiles });
      return [{ ...common, ...operands }];
    }
    case 'workdir': {
      const { WorkingDir: path, User: user = '' } = config;
      return [{ ...common, kind: 'workdir', reads: [], path, user }];
    }
    default:
      return [{ ...common, kind: 'meta', reads: [] }];
  }
}

const LAYERS: readonly Instruction['kind'][] = ['run', 'copy', 'add', 'workdir'];

function applyInstruction(
  compilation: Compilation,
  state: StageState,
  instruction: Instruction,
  expand: Expander,
): void {
  if (instruction.kind === 'arg') declareArgs(compilation, state, instruction, expand);
  const config =
    instruction.kind === 'arg'
      ? state.config
      : changeConfig(state.config, instruction, expand, state);
  const steps = stepsOf(compilation, { ...state, config }, instruction, expand);
  // Words are expanded with what was set before the instruction: ENV PATH=/x:$PATH.
  const { args } = state;
  const lookup = stageLookup(state);
  const history = steps.map((step) =>
    createdBy(instruction, { config, args, lookup, expand, step }),
  );
  state.config = config;
  if (instruction.kind === 'cmd') state.cmdInStage = true;
  for (const [index, step] of steps.entries()) {
    state.head = compilation.graph.add({ ...step, parent: state.head });
    const created_by = history[index];
    if (created_by === undefined) continue;
    const empty_layer = !LAYERS.includes(instruction.kind);
    state.history.push({ created_by, empty_layer, comment: HISTORY_COMMENT, step: state.head });
  }
}

/** A function that compiles each stage once, and notices when stages need each other. */
function stageCompiler(compilation: () => Compilation): Compilation['compileStage'] {
  const done = new Map<Stage, StageState>();
  const active: Stage[] = [];
  return (stage, location) => {
    const finished = done.get(stage);
    if (finished) return finished;
    if (active.includes(stage)) {
      const circle = [...active.slice(active.indexOf(stage)), stage].map(({ title }) => title);
      throw new DockerfileError(
        `build stages depend on each other in a circle: ${circle.join(' -> ')}`,
        location,
        {
          hint: 'a stage can only use what does not need the stage itself',
        },
      );
    }
    active.push(stage);
    const state = begin(compilation(), stage);
    const expand = expander(compilation().dockerfile.directives.escape, stageLookup(state));
    for (const instruction of [...takeTriggers(state), ...stage.body]) {
      applyInstruction(compilation(), state, instruction, expand);
    }
    active.pop();
    done.set(stage, state);
    return state;
  };
}

/** ONBUILD of what the stage is based on: carried out first, and no longer part of the config. */
function takeTriggers(state: StageState): Instruction[] {
  const { OnBuild = [], ...config } = state.config;
  state.config = config;
  return OnBuild.map((text) => parseTrigger(text, state.stage.from.location));
}

/**
 * Compiles a Dockerfile.
 * @throws DockerfileError for what can mean nothing
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
    consumedArgs,
    compileStage: stageCompiler(() => compilation),
  };
  const last = dockerfile.instructions.at(-1)?.location;
  const location = last ?? { file: dockerfile.file, line: 1, column: 1, endLine: 1 };
  const target = targetStage(parts.stages, options.target, location);
  const result = compilation.compileStage(target, location);
  const labelled = Object.keys(options.labels).length > 0;
  const unused = unusedArgs(compilation);
  return {
    platform: result.platform,
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
