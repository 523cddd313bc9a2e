/** Splits a Dockerfile into build stages and finds a stage by name or index. */
import type {
  ArgInstruction,
  Dockerfile,
  FromInstruction,
  Instruction,
} from '../dockerfile/ast.js';
import type { SourceLocation } from '../util/errors.js';
import { DockerfileError } from '../util/errors.js';
import { suggest } from '../util/suggest.js';

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

/** Stages in their order, and by their names. */
export interface StageTable {
  readonly stages: readonly Stage[];
  /** Those of one name, in their order; names in lower case. */
  readonly named: ReadonlyMap<string, readonly Stage[]>;
}

/** A Dockerfile in its parts. */
export interface Stages extends StageTable {
  /** ARG instructions before the first FROM. */
  readonly globalArgs: readonly ArgInstruction[];
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
  return { globalArgs, stages, named: byName(stages) };
}

/** The Dockerfile with another image in its first FROM, as --from of buildah has it. */
export function withFirstImage(dockerfile: Dockerfile, image: string): Dockerfile {
  const first = dockerfile.instructions.findIndex(({ kind }) => kind === 'from');
  const instructions = dockerfile.instructions.map((instruction, at) => {
    if (at !== first || instruction.kind !== 'from') return instruction;
    const { name, asKeyword = 'AS', keyword } = instruction;
    const original = [keyword, image, ...(name === undefined ? [] : [asKeyword, name])].join(' ');
    return { ...instruction, image: image.replace(/[$'"\\]/g, '\\$&'), original };
  });
  return { ...dockerfile, instructions };
}

function byName(stages: readonly Stage[]): Map<string, Stage[]> {
  const named = new Map<string, Stage[]>();
  for (const stage of stages) {
    if (stage.name === undefined) continue;
    const others = named.get(stage.name);
    if (others) others.push(stage);
    else named.set(stage.name, [stage]);
  }
  return named;
}

/**
 * The last stage of that name; names are compared without case.
 * @param before only stages before this one count
 */
export function stageByName(
  { named }: StageTable,
  name: string,
  before?: Stage,
): Stage | undefined {
  const stages = named.get(name.toLowerCase()) ?? [];
  if (!before) return stages.at(-1);
  let low = 0;
  let high = stages.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((stages[middle]?.index ?? 0) < before.index) low = middle + 1;
    else high = middle;
  }
  return stages[low - 1];
}

/** A stage by name or, if it is a number, by index. */
export function stageByReference(table: StageTable, reference: string): Stage | undefined {
  const found = stageByName(table, reference);
  if (found || !/^\d+$/.test(reference)) return found;
  return table.stages[Number(reference)];
}

/** The stage name that a misspelled one may mean. */
export function nearStage({ named }: StageTable, name: string): string | undefined {
  return suggest(name.toLowerCase(), named.keys());
}

/** So many names a hint tells. */
const SHOWN_NAMES = 20;

/** A hint for a stage name that does not exist. */
export function stageHint(table: StageTable, name: string): string {
  const near = nearStage(table, name);
  if (near !== undefined) return `did you mean ${near}?`;
  const names = [...table.named.keys()];
  if (names.length === 0) return 'no stage of this file has a name';
  const rest = names.length > SHOWN_NAMES ? ' ...' : '';
  return `stages of this file: ${names.slice(0, SHOWN_NAMES).join(', ')}${rest}`;
}

/** The stage --target asks for. @throws DockerfileError */
export function targetStage(
  table: StageTable,
  target: string | undefined,
  location: SourceLocation,
): Stage {
  const stage = target === undefined ? table.stages.at(-1) : stageByReference(table, target);
  if (stage) return stage;
  throw new DockerfileError(`there is no build stage ${target}`, location, {
    hint: stageHint(table, target ?? ''),
  });
}
