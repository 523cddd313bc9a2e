/** Splits a Dockerfile into build stages and finds a stage by name or index. */
import type {
  ArgInstruction,
  Dockerfile,
  FromInstruction,
  Instruction,
} from '../dockerfile/ast.js';
import type { SourceLocation } from '../errors.js';
import { DockerfileError } from '../errors.js';
import { suggest } from '../suggest.js';

/** A build stage as written. */
export interface Stage {
  readonly index: number;
  /** Lower case, as stage names are compared; undefined when FROM has no AS. */
  readonly name: string | undefined;
  /** Name or index, for people. */
  readonly title: string;
  readonly from: FromInstruction;
  readonly body: readonly Instruction[];
}

/** A Dockerfile in its parts. */
export interface Stages {
  /** ARG instructions before the first FROM. */
  readonly globalArgs: readonly ArgInstruction[];
  readonly stages: readonly Stage[];
}

/** @throws DockerfileError when there is no FROM */
export function splitStages(dockerfile: Dockerfile): Stages {
  const globalArgs: ArgInstruction[] = [];
  const stages: (Stage & { body: Instruction[] })[] = [];
  for (const instruction of dockerfile.instructions) {
    const current = stages.at(-1);
    if (instruction.kind === 'from') {
      const index = stages.length;
      const name = instruction.name?.toLowerCase();
      stages.push({
        index,
        name,
        title: instruction.name ?? String(index),
        from: instruction,
        body: [],
      });
    } else if (current) current.body.push(instruction);
    else if (instruction.kind === 'arg') globalArgs.push(instruction);
  }
  if (stages.length === 0) {
    const location = dockerfile.instructions.at(-1)?.location;
    throw new DockerfileError(
      'there is no FROM instruction',
      location ?? { file: dockerfile.file, line: 1, column: 1, endLine: 1 },
      { hint: 'begin a build stage with FROM scratch or FROM an earlier stage' },
    );
  }
  return { globalArgs, stages };
}

/** The last stage of that name among the given ones; names are compared without case. */
export function stageByName(stages: readonly Stage[], name: string): Stage | undefined {
  return stages.findLast((stage) => stage.name === name.toLowerCase());
}

/** A stage by name or, if it is a number, by index. */
export function stageByReference(stages: readonly Stage[], reference: string): Stage | undefined {
  const named = stageByName(stages, reference);
  if (named || !/^\d+$/.test(reference)) return named;
  return stages[Number(reference)];
}

/** The stage name that a misspelled one may mean. */
export function nearStage(stages: readonly Stage[], name: string): string | undefined {
  const names = stages.flatMap((stage) => stage.name ?? []);
  return suggest(name.toLowerCase(), names);
}

/** A hint for a stage name that does not exist. */
export function stageHint(stages: readonly Stage[], name: string): string {
  const names = stages.flatMap((stage) => stage.name ?? []);
  const near = nearStage(stages, name);
  if (near !== undefined) return `did you mean ${near}?`;
  return names.length > 0
    ? `stages of this file: ${names.join(', ')}`
    : 'no stage of this file has a name';
}

/** The stage --target asks for. @throws DockerfileError */
export function targetStage(
  stages: readonly Stage[],
  target: string | undefined,
  location: SourceLocation,
): Stage {
  const stage = target === undefined ? stages.at(-1) : stageByReference(stages, target);
  if (stage) return stage;
  throw new DockerfileError(`there is no build stage ${target}`, location, {
    hint: stageHint(stages, target ?? ''),
  });
}
