/**
 * From a profile to the filter that the kernel runs before each system call. What a filter does is what libseccomp
 * and runc make of the profile; it is made when a container is, because its capabilities and the user's own profiles
 * decide what is in it, and needs no compiler and no library there.
 */
import type { Instruction } from './bpf.js';
import { ARCHITECTURE, answer, encode, load, NUMBER, split, when, whenAll } from './bpf.js';
import type { Action, Circumstances, Condition, Profile, Rule } from './profile.js';
import { ALLOW, applicableRules, ENOSYS, fail, KILL_THREAD, LOG, TRACE } from './profile.js';
import type { Convention } from './system-calls.js';
import { systemCalls, X32_BIT } from './system-calls.js';

/** Conventions of the calls that a kernel takes, by AUDIT_ARCH_* of linux/audit.h. */
interface Architecture {
  readonly audit: number;
  readonly conventions: readonly Convention[];
}

const ARCHITECTURES: Readonly<Record<string, readonly Architecture[]>> = {
  // A 64-bit kernel takes the system calls of 32-bit programs from every process.
  x64: [
    { audit: 0xc000003e, conventions: ['x64', 'x32'] },
    { audit: 0x40000003, conventions: ['x86'] },
  ],
  arm64: [
    { audit: 0xc00000b7, conventions: ['arm64'] },
    { audit: 0x40000028, conventions: ['arm'] },
  ],
};

/** Names of libseccomp. */
const NAMES: Readonly<Record<Convention, string>> = {
  x64: 'SCMP_ARCH_X86_64',
  x32: 'SCMP_ARCH_X32',
  x86: 'SCMP_ARCH_X86',
  arm64: 'SCMP_ARCH_AARCH64',
  arm: 'SCMP_ARCH_ARM',
};

/** What becomes of a call: the first alternative whose conditions are met. The last has none. */
type Verdict = readonly { readonly conditions: readonly Condition[]; readonly action: Action }[];

/** From its first number on up to the next range's first one. */
interface Range {
  readonly first: number;
  readonly wide: boolean;
  readonly verdict: Verdict;
}

const unconditional = (action: Action): Verdict => [{ conditions: [], action }];

/** Conditions that name an argument twice are alternatives, as in runc. */
function alternatives({ conditions }: Rule): (readonly Condition[])[] {
  const distinct = new Set(conditions.map(({ argument }) => argument));
  return distinct.size === conditions.length ? [conditions] : conditions.map((each) => [each]);
}

/** What the rules say about each call. A rule without conditions counts before all others. */
function verdicts(rules: readonly Rule[], otherwise: Action): Map<string, Verdict> {
  const found = new Map<string, Verdict>();
  for (const rule of rules.filter(({ action }) => action !== otherwise)) {
    for (const call of rule.calls) {
      const before = found.get(call) ?? [];
      if (before.some(({ conditions }) => conditions.length === 0)) continue;
      const { action } = rule;
      const added = alternatives(rule).map((conditions) => ({ conditions, action }));
      found.set(call, rule.conditions.length === 0 ? added : [...before, ...added]);
    }
  }
  const rest = { conditions: [], action: otherwise };
  for (const [call, verdict] of found)
    if (verdict.every(({ conditions }) => conditions.length > 0))
      found.set(call, [...verdict, rest]);
  return found;
}

/**
 * The numbers of a convention, from its first to its last one. What is newer than all that the rules speak of
 * does not exist, as far as a program can see: so it does without, where EPERM would end it. runc does that too.
 */
function ranges(
  convention: Convention,
  rules: readonly Rule[],
  decided: ReadonlyMap<string, Verdict>,
  otherwise: Action,
): Range[] {
  const numbers = systemCalls(convention);
  const wide = convention === 'x64' || convention === 'arm64';
  const start = convention === 'x32' ? X32_BIT : 0;
  const other = { wide, verdict: unconditional(otherwise) };
  const known = [...decided]
    .map(([call, verdict]) => ({ first: numbers.get(call) ?? -1, wide, verdict }))
    .filter(({ first }) => first >= 0)
    .sort((a, b) => a.first - b.first);
  const named = rules.flatMap(({ calls }) => calls.map((call) => numbers.get(call) ?? -1));
  const end = named.reduce((last, number) => Math.max(last, number), -1) + 1;
  const isOpen = otherwise === ALLOW || otherwise === LOG || (otherwise & ~0xffff) === TRACE;
  const after = isOpen || end === 0 ? other.verdict : unconditional(fail(ENOSYS));
  const all: Range[] = [];
  let next = start;
  for (const range of known) {
    if (range.first > next) all.push({ first: next, ...other });
    // Two names of one call.
    if (range.first >= next) all.push(range);
    next = range.first + 1;
  }
  if (end > next) all.push({ first: next, ...other });
  return [...all, { first: Math.max(end, start), wide, verdict: after }];
}

/** Neighbours that are treated alike are one. */
function merge(all: readonly Range[]): Range[] {
  const key = ({ verdict }: Range) => (verdict.length === 1 ? `${verdict[0]?.action}` : undefined);
  return all.filter((range, index) => {
    const before = all[index - 1];
    const own = key(range);
    return before === undefined || own === undefined || own !== key(before);
  });
}

function decide({ verdict, wide }: Range): Instruction[] {
  return verdict.flatMap(({ conditions, action }) => whenAll(conditions, wide, [answer(action)]));
}

/** Finds the range of the loaded number by halves. */
function search(all: readonly Range[]): Instruction[] {
  const [only] = all;
  if (only === undefined) return [];
  if (all.length === 1) return decide(only);
  const middle = all.length >> 1;
  const right = all.slice(middle);
  return split(right[0]?.first ?? 0, search(all.slice(0, middle)), search(right));
}

/**
 * The filter as struct sock_filter[].
 * @returns undefined for an architecture that containers can't be made on
 */
export function seccompFilter(profile: Profile, circumstances: Circumstances): Buffer | undefined {
  const known = ARCHITECTURES[circumstances.architecture];
  if (!known) return undefined;
  const { otherwise, conventions: wanted } = profile;
  const rules = applicableRules(profile, circumstances);
  const decided = verdicts(rules, otherwise);
  const [own] = known[0]?.conventions ?? [];
  const isWanted = (convention: Convention) =>
    convention === own || (wanted?.includes(NAMES[convention]) ?? true);
  const program = known.flatMap(({ audit, conventions }) => {
    const chosen = conventions.filter(isWanted);
    if (chosen.length === 0) return [];
    const all = chosen.flatMap((each) => ranges(each, rules, decided, otherwise));
    // Calls of x32 have the numbers from there on.
    const x32 = { first: X32_BIT, wide: true, verdict: unconditional(KILL_THREAD) };
    const closed = conventions.includes('x32') && !chosen.includes('x32') ? [...all, x32] : all;
    return when(audit, [load(NUMBER), ...search(merge(closed))]);
  });
  return encode([load(ARCHITECTURE), ...program, answer(KILL_THREAD)]);
}
