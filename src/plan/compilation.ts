/** What the parts of a compilation share. */
import type { Dockerfile } from '../dockerfile/ast.js';
import type { SourceLocation } from '../errors.js';
import type { ContainerConfig, HistoryEntry } from '../image/config.js';
import type { GraphBuilder } from './graph.js';
import type { PlanOptions } from './plan.js';
import type { Stage } from './stages.js';
import type { StepId } from './step.js';

/** A stage while it is compiled, and what stages that build on it inherit. */
export interface StageState {
  readonly stage: Stage;
  /** Of FROM --platform, else of the stage it is based on, else what is built for. */
  readonly platform: string;
  config: ContainerConfig;
  /** ARG values in effect. */
  args: Map<string, string>;
  head: StepId;
  /** CMD was set in this stage: ENTRYPOINT resets only an inherited one. */
  cmdInStage: boolean;
  history: (HistoryEntry & { readonly step: StepId })[];
}

/** The compilation of one Dockerfile. */
export interface Compilation {
  readonly dockerfile: Dockerfile;
  readonly options: PlanOptions;
  readonly stages: readonly Stage[];
  /** Variables of the global scope. */
  readonly globals: ReadonlyMap<string, string>;
  readonly graph: GraphBuilder;
  /** Names of build arguments that some ARG asked for. */
  readonly consumedArgs: Set<string>;
  /** Compiles a stage, once. @throws DockerfileError when stages depend on each other in a circle */
  readonly compileStage: (stage: Stage, location: SourceLocation) => StageState;
}
