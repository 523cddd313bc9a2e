/** What the parts of a compilation share. */
import type { Dockerfile } from '../dockerfile/ast.js';
import type { HistoryEntry } from '../oci/image-config.js';
import type { SourceLocation } from '../util/errors.js';
import type { Credentials } from './git-url.js';
import type { GraphBuilder } from './graph.js';
import type { PlanOptions } from './plan.js';
import type { SettingsLog } from './settings.js';
import type { StageConfig } from './stage-config.js';
import type { Stage, StageTable } from './stages.js';
import type { StepId } from './step.js';
import type { TextBudget } from './text-budget.js';

/** A stage while it is compiled, and what stages that build on it inherit. */
export interface StageState {
  readonly stage: Stage;
  /** FROM --platform, else the platform of its base stage, else --platform. */
  readonly platform: string;
  readonly config: StageConfig;
  /** ONBUILD triggers of its base. */
  readonly triggers: readonly string[];
  /** MAINTAINER of this stage or of its base. */
  author: string | undefined;
  /** Names of all ARGs, those without a value too. */
  declared: Set<string>;
  /** ARG values in effect. */
  args: Map<string, string>;
  /** Names that ARG gave a value after the last ENV of that name: the later one counts. */
  overEnv: Set<string>;
  head: StepId;
  /** CMD was set in this stage: ENTRYPOINT resets only an inherited one. */
  cmdInStage: boolean;
  history: (HistoryEntry & { readonly step: StepId })[];
}

/** The compilation of one Dockerfile. */
export interface Compilation extends StageTable {
  readonly dockerfile: Dockerfile;
  readonly options: PlanOptions;
  /** Variables of the global scope. */
  readonly globals: ReadonlyMap<string, string>;
  readonly graph: GraphBuilder;
  readonly settings: SettingsLog;
  /** For the servers that steps fetch from; no part of any step. */
  readonly credentials: Map<StepId, Credentials>;
  /** Text that was made of variables, whatever became of it. */
  readonly expanded: TextBudget;
  /** Text that the plan holds. */
  readonly kept: TextBudget;
  /** Names of build arguments that some ARG asked for. */
  readonly consumedArgs: Set<string>;
  /** Compiles a stage, once. @throws DockerfileError when stages depend on each other in a circle */
  readonly compileStage: (stage: Stage, location: SourceLocation) => StageState;
}
