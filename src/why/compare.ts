/**
 * What differs between the inputs of two steps: the answer to "why did this step run". It compares
 * exactly the inputs of keys (keys/inputs.ts), so that it explains what was hashed.
 */
import type { TreeChange, TreeReader } from '../fs/scan/tree.js';
import { diffTrees } from '../fs/scan/tree.js';
import type { DefinitionKey, TreeDigest } from '../keys/digest.js';
import type { SelectionInput, StepInputs } from '../keys/inputs.js';
import type { Json } from '../util/canonical-json.js';
import { canonicalJson } from '../util/canonical-json.js';
import { StoreError } from '../util/errors.js';

/** One difference, from the former inputs to the new ones. */
export type Difference =
  | { readonly kind: 'key version'; readonly before: number; readonly after: number }
  | { readonly kind: 'platform'; readonly before: string; readonly after: string }
  | { readonly kind: 'instruction'; readonly before: string; readonly after: string }
  /** `name` is that of `cache show`; a variable of ENV or ARG is `env NAME`, a resource `resources NAME`. */
  | {
      readonly kind: 'operand';
      readonly name: string;
      readonly before: Json | undefined;
      readonly after: Json | undefined;
    }
  /** A source of a COPY that selects something else: the first file that differs, and how many. */
  | { readonly kind: 'file'; readonly change: TreeChange }
  | { readonly kind: 'sources'; readonly added: string[]; readonly removed: string[] }
  /** A source whose former files only the machine that made the entry knows one by one. */
  | {
      readonly kind: 'unlisted files';
      readonly path: string;
      readonly before: TreeDigest;
      readonly after: TreeDigest;
    }
  /** A variable of which only another machine knows the former value, or the new one: null here. */
  | {
      readonly kind: 'withheld variable';
      readonly name: string;
      readonly before: Json;
      readonly after: Json;
    }
  /** A step below or beside; `index` counts in `parents`. */
  | {
      readonly kind: 'parent';
      readonly index: number;
      readonly before: DefinitionKey | undefined;
      readonly after: DefinitionKey | undefined;
    };

/** Begins the name of a variable. */
const ENV = 'env ';
/** Operands with members that are differences of their own, and what begins the names of these. */
const PARTS: ReadonlyMap<string, string> = new Map([
  ['env', ENV],
  ['resources', 'resources '],
]);

function isRecord(value: Json | undefined): value is { readonly [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function same(a: Json | undefined, b: Json | undefined): boolean {
  return canonicalJson(a ?? null) === canonicalJson(b ?? null);
}

/**
 * Can the two be compared? Values of variables stay on the machine that made an entry
 * (shared-cache/entry-list.ts), and are null elsewhere. Whether there is a variable is known everywhere.
 */
function isWithheld(old: Json | undefined, now: Json | undefined): boolean {
  return (old === null && now !== undefined) || (now === null && old !== undefined);
}

function* operandDifferences(
  before: StepInputs['operands'],
  after: StepInputs['operands'],
  prefix = '',
): Generator<Difference> {
  for (const name of [...new Set([...Object.keys(after), ...Object.keys(before)])]) {
    const [old, now] = [before[name], after[name]];
    const isSame = prefix === ENV ? old === now || isWithheld(old, now) : same(old, now);
    if (isSame) continue;
    const parts = prefix === '' ? PARTS.get(name) : undefined;
    if (parts !== undefined && isRecord(old) && isRecord(now)) {
      yield* operandDifferences(old, now, parts);
    } else yield { kind: 'operand', name: prefix + name, before: old, after: now };
  }
}

/** What --parents copies of the directories that it keeps. */
function* compareDirectories(before: SelectionInput, after: SelectionInput): Generator<Difference> {
  const path = getPath(after);
  const parts = {
    [`directory ${path}`]: 'directory',
    [`directories above ${path}`]: 'ways',
  } as const;
  for (const [name, part] of Object.entries(parts)) {
    const [a, b] = [before[part], after[part]] as unknown as [Json, Json];
    if (!same(a, b)) yield { kind: 'operand', name, before: a, after: b };
  }
}

function getPath({ path, below }: SelectionInput): string {
  return [below, path].filter((part) => part !== '').join('/') || '.';
}

/** Files that a source no longer has or has now stand under the path that the source has. */
function underSource(selection: SelectionInput, change: TreeChange): TreeChange {
  if (selection.kind === 'file') return { ...change, path: selection.path };
  return selection.path === '' ? change : { ...change, path: `${selection.path}/${change.path}` };
}

/** Variables that may be what differs, if nothing else does. */
function* withheldVariables(
  before: Json | undefined,
  after: Json | undefined,
): Generator<Difference> {
  if (!isRecord(before) || !isRecord(after)) return;
  for (const [name, now] of Object.entries(after)) {
    const old = before[name];
    if (old !== undefined && isWithheld(old, now))
      yield { kind: 'withheld variable', name, before: old, after: now };
  }
}

/** Trees are kept whole or not at all. */
function isListed(read: TreeReader, tree: TreeDigest): boolean {
  try {
    read(tree);
    return true;
  } catch (error) {
    if (error instanceof StoreError) return false;
    throw error;
  }
}

function* fileDifferences(
  read: TreeReader,
  before: readonly SelectionInput[],
  after: readonly SelectionInput[],
): Generator<Difference> {
  const names = (list: readonly SelectionInput[]) => list.map(getPath);
  const [old, now] = [names(before), names(after)];
  const added = now.filter((path) => !old.includes(path));
  const removed = old.filter((path) => !now.includes(path));
  if (added.length + removed.length > 0) yield { kind: 'sources', added, removed };
  for (const selection of after) {
    const former = before.find((item) => getPath(item) === getPath(selection));
    if (!former) continue;
    const trees = [former.tree, selection.tree] as const;
    if (trees[0] !== trees[1] && !isListed(read, trees[0])) {
      const path = getPath(selection);
      yield { kind: 'unlisted files', path, before: trees[0], after: trees[1] };
      continue;
    }
    for (const change of diffTrees(read, ...trees)) {
      yield { kind: 'file', change: underSource(selection, change) };
    }
    yield* compareDirectories(former, selection);
  }
}

/**
 * The differences between two inputs, the telling ones first: what the step itself says, its
 * files, then the steps it is based on. Lazy: a caller that wants only the first one pays for no more.
 * @param read finds the tree nodes of both
 */
export function* compareInputs(
  before: StepInputs,
  after: StepInputs,
  read: TreeReader,
): Generator<Difference> {
  if (before.version !== after.version)
    yield { kind: 'key version', before: before.version, after: after.version };
  if (before.platform !== after.platform)
    yield { kind: 'platform', before: before.platform, after: after.platform };
  if (before.text !== after.text)
    yield { kind: 'instruction', before: before.text, after: after.text };
  yield* operandDifferences(before.operands, after.operands);
  yield* fileDifferences(read, before.files, after.files);
  const count = Math.max(before.parents.length, after.parents.length);
  for (let index = 0; index < count; index++) {
    const [old, now] = [before.parents[index], after.parents[index]];
    if (old !== now) yield { kind: 'parent', index, before: old, after: now };
  }
  yield* withheldVariables(before.operands.env, after.operands.env);
}
