/** From what differs between two layers to what is said of it: which differences count, causes, hints. */

import type { ContentDifference } from '../fs/layer/compare-content.js';
import type { FileDifference } from '../fs/layer/compare-layers.js';
import { lastName, parentPath } from '../fs/tree-path.js';
import { printable } from '../util/printable.js';
import type { Cause } from './causes.js';
import { areText, describeSides, lineAt } from './describe-difference.js';
import { diagnose } from './diagnosis.js';
import type { Finding } from './layer-finding.js';
import { isOrdinaryTime } from './ordinary-time.js';
import { recogniseBytes, recogniseFormat } from './recognise-bytes.js';
import { recogniseText } from './recognise-text.js';
import type { RunFacts } from './run-facts.js';
import { areReordered, recogniseOrder } from './same-parts.js';

/** Two runs of one step. */
export interface Runs {
  readonly first: RunFacts;
  readonly second: RunFacts;
  /** Text of the instruction. */
  readonly command: string;
  /** Times of files count, as far as they are older than this (seconds since 1970); all of them: Infinity. */
  readonly timesBefore: number | undefined;
}

/** More are counted, and not kept. */
const MOST_FINDINGS = 1000;

function causeOfContent(content: ContentDifference, { first, second }: Runs): Cause {
  const runs = [first, second] as const;
  const { whole: one } = content.first;
  const { whole: other } = content.second;
  if (one && other && areReordered(one, other)) return 'order';
  const format = recogniseFormat(content);
  if (format) return format;
  const isText = areText(content);
  if (isText && one && other) {
    const order = recogniseOrder(one.toString('latin1'), other.toString('latin1'));
    if (order) return order;
  }
  const { offset } = content;
  const lines = [lineAt(content.first, offset), lineAt(content.second, offset)] as const;
  const text = recogniseText(lines, runs);
  // A byte or two of a number look like a letter of a word.
  if (text && (isText || text !== 'random')) return text;
  return (isText ? undefined : recogniseBytes(content, runs)) ?? 'unknown';
}

/** Permissions that a umask takes away from group and others. */
const UMASK_BITS = 0o077;

function causeOf(difference: FileDifference, runs: Runs): Cause {
  const { first, second, aspects, content, targets } = difference;
  if (content) return causeOfContent(content, runs);
  if (targets) return recogniseText(targets, [runs.first, runs.second]) ?? 'unknown';
  const [aspect] = aspects;
  if (aspect === 'mtime') return 'mtime';
  if (aspect === 'mode' && first && second && ((first.mode ^ second.mode) & ~UMASK_BITS) === 0)
    return 'umask';
  return 'unknown';
}

/** Two names of what is one file in each run, as far as that can be told. */
function pairNames(
  missing: readonly FileDifference[],
  extra: readonly FileDifference[],
): (readonly [FileDifference, FileDifference])[] {
  const key = ({ path, first, second }: FileDifference) =>
    `${parentPath(path)}\0${(first ?? second)?.kind}`;
  const group = (list: readonly FileDifference[]) => {
    const groups = new Map<string, FileDifference[]>();
    for (const item of list) {
      const known = groups.get(key(item));
      if (known) known.push(item);
      else groups.set(key(item), [item]);
    }
    return groups;
  };
  const others = group(extra);
  return [...group(missing)].flatMap(([where, gone]) => {
    const come = others.get(where) ?? [];
    if (come.length !== gone.length) return [];
    return gone.flatMap((item, index) => (come[index] ? [[item, come[index]] as const] : []));
  });
}

/** Collects what differs between the layers of one step. */
export interface Judge {
  readonly add: (difference: FileDifference) => void;
  /** What there is to say, in the order of the paths. */
  readonly conclude: () => Verdict;
}

/** Of one step. */
export interface Verdict {
  readonly findings: readonly Finding[];
  /** All that counts, also what is not among the findings. */
  readonly total: number;
  /** Paths at which only the time differs at which the step has written them, where that does not count. */
  readonly times: number;
}

function toFinding(difference: FileDifference, runs: Runs): Finding {
  const { path, first, second, content, aspects } = difference;
  const there = first ?? second;
  const [one, other] = describeSides(difference);
  return {
    path: printable(`/${path}`),
    kind: there?.kind ?? 'file',
    aspects: first && second ? aspects : [first ? 'missing' : 'extra'],
    ...(content ? { offset: content.offset } : {}),
    first: one,
    second: other,
    ...diagnose(path, causeOf(difference, runs), runs.command),
  };
}

function toRenaming([gone, come]: readonly [FileDifference, FileDifference], runs: Runs): Finding {
  const names = [lastName(gone.path), lastName(come.path)] as const;
  const cause = recogniseText(names, [runs.first, runs.second]) ?? 'unknown';
  return {
    path: printable(`/${gone.path}`),
    kind: gone.first?.kind ?? 'file',
    aspects: ['name'],
    first: printable(names[0]),
    second: printable(names[1]),
    ...diagnose(gone.path, cause, runs.command),
  };
}

export function openJudge(runs: Runs): Judge {
  const findings: Finding[] = [];
  const unpaired: FileDifference[] = [];
  let [total, times] = [0, 0];
  const keep = (make: () => Finding) => {
    total += 1;
    if (findings.length < MOST_FINDINGS) findings.push(make());
  };
  return {
    add(difference) {
      const { path, first, second, aspects } = difference;
      if (!first || !second) {
        unpaired.push(difference);
        return;
      }
      const ordinary = aspects.includes('mtime') && isOrdinaryTime(path, first, second, runs);
      const counted = ordinary ? aspects.filter((aspect) => aspect !== 'mtime') : aspects;
      if (counted.length === 0) times += runs.timesBefore === undefined ? 1 : 0;
      else keep(() => toFinding({ ...difference, aspects: counted }, runs));
    },
    conclude() {
      const missing = unpaired.filter(({ first }) => first);
      const extra = unpaired.filter(({ second }) => second);
      const pairs = pairNames(missing, extra);
      const paired = new Set(pairs.flat());
      for (const pair of pairs) keep(() => toRenaming(pair, runs));
      for (const item of unpaired) if (!paired.has(item)) keep(() => toFinding(item, runs));
      const sorted = findings.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
      return { findings: sorted, total, times };
    },
  };
}
