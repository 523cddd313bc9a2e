/** NoEmptyContinuation, MaintainerDeprecated, LegacyKeyValueFormat, InvalidDefinitionDescription. */
import type { Instruction } from '../dockerfile/ast.js';
import type { CheckContext } from './check-context.js';
import type { Finding } from './rules.js';
import type { Visit } from './walk.js';

/** Empty lines within instructions, one finding an instruction. */
export function emptyContinuations({ dockerfile }: CheckContext): Finding[] {
  const { emptyContinuationLines: lines, instructions } = dockerfile;
  // Both are in the order of the file.
  let at = 0;
  return instructions.flatMap(({ keyword, location }): Finding[] => {
    while ((lines[at] ?? Number.POSITIVE_INFINITY) < location.line) at++;
    const line = lines[at];
    if (line === undefined || line > location.endLine) return [];
    while ((lines[at] ?? Number.POSITIVE_INFINITY) <= location.endLine) at++;
    const detail = `Empty line within ${keyword}`;
    const endLine = lines[at - 1] ?? line;
    return [
      { rule: 'NoEmptyContinuation', detail, location: { ...location, line, column: 1, endLine } },
    ];
  });
}

/** MAINTAINER, also where no stage is built from it. */
export function deprecatedMaintainer({ dockerfile }: CheckContext): Finding[] {
  return dockerfile.instructions
    .filter(({ kind }) => kind === 'maintainer')
    .map(({ keyword, location }) => ({
      rule: 'MaintainerDeprecated',
      detail: `${keyword} is deprecated: write LABEL org.opencontainers.image.authors=...`,
      location,
    }));
}

/** `ENV name value` and `LABEL name value`. */
export function legacyPairs({ instruction, location }: Visit): Finding[] {
  if (instruction.kind !== 'env' && instruction.kind !== 'label') return [];
  const { keyword, pairs } = instruction;
  return pairs
    .filter(({ legacy }) => legacy)
    .map(({ key }) => ({
      rule: 'LegacyKeyValueFormat',
      detail: `'${keyword} ${key} value' is the legacy form of '${keyword} ${key}=value'`,
      location,
    }));
}

/** Names that a comment above an instruction can describe. */
function definedNames(instruction: Instruction): readonly string[] {
  if (instruction.kind === 'arg') return instruction.args.map(({ name }) => name);
  const isNamed = instruction.kind === 'from' && instruction.name !== undefined;
  return isNamed ? [instruction.name.toLowerCase()] : [];
}

/** Comments right above ARG and FROM that do not begin with what these define. */
export function definitionDescriptions({ dockerfile }: CheckContext): Finding[] {
  const lastLines = new Map(
    dockerfile.comments.map(({ line, text }) => {
      const lines = text.split('\n');
      return [line + lines.length, lines.at(-1) ?? ''];
    }),
  );
  return dockerfile.instructions.flatMap((instruction): Finding[] => {
    const { keyword, location } = instruction;
    const names = definedNames(instruction);
    const comment = lastLines.get(location.line) ?? '';
    const [first = ''] = comment.split(' ');
    // An empty comment line sets the ones above it apart, as an empty line does.
    if (names.length === 0 || comment === '' || names.includes(first)) return [];
    const shown = names.length === 1 ? names[0] : '<name>';
    const detail = `The comment above ${keyword} does not have the form '# ${shown} <description>'`;
    return [{ rule: 'InvalidDefinitionDescription', detail, location }];
  });
}
