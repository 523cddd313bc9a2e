/**
 * Compiles a Dockerfile to a DAG of steps. Pure: the same text, arguments and platform give the
 * same plan, byte for byte.
 */
import type { Dockerfile, FromInstruction, Instruction } from '../dockerfile/ast.js';
import { parseTrigger } from '../dockerfile/parse-dockerfile.js';
import { HISTORY_COMMENT } from '../oci/image-config.js';
import { formatPlatform, parsePlatform } from '../oci/platform.js';
import type { WiacError } from '../util/errors.js';
import { DockerfileError } from '../util/errors.js';
import { withoutCredentials } from '../util/redact.js';
import {
  declareArgs,
  globalArguments,
  hiddenArgs,
  stageEnv,
  stageLookup,
  unusedArgs,
} from './arguments.js';
import type { Compilation, StageState } from './compilation.js';
import { configChange } from './config-changes.js';
import { copySteps } from './copy-step.js';
import type { NewStep } from './graph.js';
import { graphBuilder } from './graph.js';
import { createdBy } from './history.js';
import { finishResult } from './image-overrides.js';
import { contextFiles, contextStart, getOrigin, remoteStep, stageStart } from './origins.js';
import type { Plan, PlanOptions } from './plan.js';
import type { Remote } from './remote.js';
import { runStep } from './run-step.js';
import type { Expander } from './scope.js';
import { expander } from './scope.js';
import { settingsLog } from './settings.js';
import type { ConfigFields } from './stage-config.js';
import { applyChange, changedFields, closeConfig } from './stage-config.js';
import type { Stage } from './stages.js';
import { splitStages, targetStage } from './stages.js';
import { textBudget, textSize } from './text-budget.js';

/** The state a stage begins with, and the instructions that follow. */
function begin(
  compilation: Compilation,
  stage: Stage,
): { state: StageState; instructions: readonly Instruction[] } {
  const { dockerfile, globals, expanded } = compilation;
  const { location } = stage.from;
  const { escape: escapeCharacter } = dockerfile.directives;
  const expand = expander(escapeCharacter, (name) => globals.get(name), expanded);
  const platform = stagePlatform(compilation, stage.from, expand);
  // A context that has the name of a stage is there in its place, as with BuildKit.
  const instead =
    stage.name === undefined ? undefined : contextStart(compilation, stage, stage.name, platform);
  if (instead) return { state: { stage, cmdInStage: false, ...instead }, instructions: [] };
  const image = expand(stage.from.image, location);
  if (image === '') {
    throw new DockerfileError(`FROM ${stage.from.image} is empty after expansion`, location, {
      hint: 'give the ARG a default before the first FROM, or pass --build-arg',
    });
  }
  const start = stageStart(compilation, stage, image, platform);
  const state = { stage, cmdInStage: false, ...start };
  return { state, instructions: [...takeTriggers(state), ...stage.body] };
}

/** FROM --platform; when it is empty, as when an argument has no value, the platform of the build. */
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

/**
 * The steps of an instruction: one, but for an ADD that mixes local and remote sources.
 * @param config the config after it
 */
function getSteps(
  compilation: Compilation,
  state: StageState,
  config: ConfigFields,
  instruction: Instruction,
  place: number,
  expand: Expander,
): NewStep[] {
  const { options } = compilation;
  const { args, stage, head, platform } = state;
  const { original, location } = instruction;
  // What a RUN says is in its operands as well; the URL of an ADD is not.
  const text = instruction.kind === 'run' ? original : withoutCredentials(original);
  const common = { parent: head, text, stage: stage.title, platform, location };
  const findOrigin = (reference: string) => getOrigin(compilation, reference, stage, instruction);
  switch (instruction.kind) {
    case 'copy':
    case 'add': {
      const fetch = (remote: Remote) => remoteStep(compilation, remote, location);
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
      const operands = runStep(instruction, {
        config,
        env: stageEnv(state),
        args,
        hidden,
        expand,
        options,
        platform,
        run: { stage: stage.title, place, text: original },
        findFiles,
      });
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

/** The place of the first instruction of a stage's body. */
const PLACE_BEHIND_FROM = 2;

/** @param place in its stage, FROM is 1 */
function applyInstruction(
  compilation: Compilation,
  state: StageState,
  instruction: Instruction,
  place: number,
  expand: Expander,
): void {
  if (instruction.kind === 'arg') declareArgs(compilation, state, instruction, expand);
  const change = configChange(instruction, expand, { ...state, ...state.config });
  const config = changedFields(state.config.fields, change);
  const steps = getSteps(compilation, state, config, instruction, place, expand);
  // Words are expanded with what was set before the instruction: ENV PATH=/x:$PATH.
  const { args, declared } = state;
  const lookup = stageLookup(state);
  const history = steps.map((step) =>
    createdBy(instruction, { config, args, declared, lookup, expand, step }),
  );
  applyChange(state.config, change);
  for (const [name] of change.env ?? []) state.overEnv.delete(name);
  if (instruction.kind === 'cmd') state.cmdInStage = true;
  if (instruction.kind === 'maintainer') state.author = instruction.value;
  for (const [index, step] of steps.entries()) {
    const created_by = history[index];
    compilation.kept.spend(textSize(step) + textSize(created_by), instruction.location);
    const parent = state.head;
    state.head = compilation.graph.add({ ...step, parent });
    compilation.settings.add(state.head, parent, state.config.fields, change.env);
    if (created_by === undefined) continue;
    const empty_layer = !LAYERS.includes(instruction.kind);
    state.history.push({ created_by, empty_layer, comment: HISTORY_COMMENT, step: state.head });
  }
}

/** Stages that need each other; every one of them is a few calls deep. */
const MAX_STAGES_DEEP = 300;

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
          hint: 'a stage can use only stages that do not need it',
        },
      );
    }
    if (active.length >= MAX_STAGES_DEEP) {
      throw new DockerfileError(
        `more than ${MAX_STAGES_DEEP} build stages need each other, one after the other`,
        location,
        { hint: 'join some of them' },
      );
    }
    active.push(stage);
    const { dockerfile, expanded } = compilation();
    const { state, instructions } = begin(compilation(), stage);
    compilation().settings.begin(state.head, state.config);
    const expand = expander(dockerfile.directives.escape, stageLookup(state), expanded);
    for (const [at, instruction] of instructions.entries()) {
      applyInstruction(compilation(), state, instruction, at + PLACE_BEHIND_FROM, expand);
    }
    active.pop();
    done.set(stage, state);
    return state;
  };
}

/** ONBUILD of what the stage is based on: carried out first, and no longer part of the config. */
function takeTriggers({ triggers, stage }: StageState): Instruction[] {
  return triggers.map((text) => parseTrigger(text, stage.from.location));
}

/**
 * Compiles a Dockerfile.
 * @throws DockerfileError for what can mean nothing
 */
export function compile(dockerfile: Dockerfile, options: PlanOptions): Plan {
  const parts = splitStages(dockerfile);
  // An instruction's words are expanded for the step, for the config and for the history.
  const expanded = textBudget(4);
  const { escape: escapeCharacter } = dockerfile.directives;
  const globals = globalArguments(parts, options, escapeCharacter, expanded);
  const compilation: Compilation = {
    dockerfile,
    options,
    stages: parts.stages,
    named: parts.named,
    globals: globals.values,
    graph: graphBuilder(),
    settings: settingsLog(),
    credentials: new Map(),
    expanded,
    kept: textBudget(),
    consumedArgs: new Set(globals.names),
    compileStage: stageCompiler(() => compilation),
  };
  const last = dockerfile.instructions.at(-1)?.location;
  const location = last ?? { file: dockerfile.file, line: 1, column: 1, endLine: 1 };
  const target = targetStage(parts, options.target, location);
  const result = compilation.compileStage(target, location);
  applyChange(result.config, { labels: Object.entries(options.labels) });
  const { head, history } = options.result
    ? finishResult(compilation, result, options.result)
    : result;
  return {
    platform: result.platform,
    steps: compilation.graph.steps(),
    target: head,
    config: closeConfig(result.config),
    author: result.author,
    history,
    credentials: (step) => compilation.credentials.get(step),
    settings: compilation.settings.get,
    warnings: unusedArgs(compilation),
  };
}
