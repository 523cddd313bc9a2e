/** Which stages a target needs. */
import { attempt } from '../check/check-context.js';
import type { Instruction } from '../dockerfile/ast.js';
import type { Stage, StageTable } from '../plan/stages.js';
import { stageByReference } from '../plan/stages.js';
import { parseAttributes, refusing } from '../util/csv-attributes.js';

/** What COPY --from and RUN --mount from= name. */
function getReferences(instruction: Instruction): string[] {
  const { flags, kind } = instruction;
  if (kind === 'onbuild') return [];
  return flags.flatMap(({ name, value = '' }) => {
    if (name === 'from') return [value];
    if (name !== 'mount') return [];
    // A mount that means nothing is the build's to refuse.
    const attributes = attempt(() => parseAttributes(value, refusing('--mount', value))) ?? [];
    return attributes.flatMap((each) => (each.name === 'from' ? (each.value ?? []) : []));
  });
}

/**
 * The target and all stages that it needs, in the order of the file.
 * @param getBase the stage that FROM names
 */
export function stagesFor(
  table: StageTable,
  target: Stage,
  getBase: (stage: Stage) => Stage | undefined,
): Stage[] {
  const found = new Set<Stage>();
  const open = [target];
  for (let stage = open.pop(); stage !== undefined; stage = open.pop()) {
    if (found.has(stage)) continue;
    found.add(stage);
    const base = getBase(stage);
    if (base) open.push(base);
    for (const reference of stage.body.flatMap(getReferences)) {
      const other = stageByReference(table, reference);
      if (other) open.push(other);
    }
  }
  return table.stages.filter((stage) => found.has(stage));
}
