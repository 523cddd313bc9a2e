/** StageNameCasing, FromAsCasing, ConsistentInstructionCasing, DuplicateStageName, ReservedStageName. */
import type { FromInstruction } from '../dockerfile/ast.js';
import type { CheckContext } from './check-context.js';
import type { Finding } from './rules.js';

function isLower(text: string): boolean {
  return text === text.toLowerCase();
}

function isUpper(text: string): boolean {
  return text === text.toUpperCase();
}

/** A FROM in mixed case is ConsistentInstructionCasing's business; its AS cannot match it. */
function asMatches({ keyword, asKeyword }: FromInstruction): boolean {
  if (asKeyword === undefined) return true;
  if (isLower(keyword)) return isLower(asKeyword);
  return isUpper(keyword) ? isUpper(asKeyword) : true;
}

/** The name of a stage and the AS before it. */
export function stageCasing({ stages }: CheckContext): Finding[] {
  return stages.flatMap(({ from }) => {
    const { name, location, asKeyword, keyword } = from;
    const findings: Finding[] = [];
    if (name !== undefined && !isLower(name)) {
      const detail = `Stage name '${name}' is not in lower case`;
      findings.push({ rule: 'StageNameCasing', detail, location });
    }
    if (!asMatches(from)) {
      const detail = `'${asKeyword}' is not in the case of its '${keyword}'`;
      findings.push({ rule: 'FromAsCasing', detail, location });
    }
    return findings;
  });
}

/**
 * Keywords, compared with the case of most of them; of equally many, capitals win. ARG before the
 * first FROM neither counts nor is compared.
 */
export function instructionCasing({ stages }: CheckContext): Finding[] {
  const instructions = stages.flatMap(({ from, body }) => [from, ...body]);
  const lower = instructions.filter(({ keyword }) => isLower(keyword)).length;
  const upper = instructions.filter(({ keyword }) => isUpper(keyword)).length;
  const matches = lower > upper ? isLower : isUpper;
  const wanted = lower > upper ? 'lower' : 'upper';
  return instructions
    .filter(({ keyword }) => !matches(keyword))
    .map(({ keyword, location }) => ({
      rule: 'ConsistentInstructionCasing',
      detail: `'${keyword}' is not in ${wanted} case like most instructions of this file`,
      location,
    }));
}

/** Names that FROM, COPY --from and --build-context give a meaning of their own. */
const RESERVED = ['scratch', 'context'];

/** Stage names that cannot be told apart, from each other or from what is not a stage. */
export function stageNames({ stages }: CheckContext): Finding[] {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  for (const { name, from } of stages) {
    if (name === undefined) continue;
    const { location } = from;
    if (RESERVED.includes(name)) {
      const detail = `'${name}' is a reserved word and cannot be told from a stage of that name`;
      findings.push({ rule: 'ReservedStageName', detail, location });
    }
    if (seen.has(name)) {
      const detail = `Another stage is called '${name}' already`;
      findings.push({ rule: 'DuplicateStageName', detail, location });
    }
    seen.add(name);
  }
  return findings;
}
