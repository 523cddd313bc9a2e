/** Differences in words, one line each. */
import type { TreeChange, TreeEntry } from '../fs/scan/tree.js';
import type { Json } from '../util/canonical-json.js';
import { printable } from '../util/printable.js';
import type { Difference } from './compare.js';

/** Longer values are cut: a line is for reading. */
const SHOWN = 60;

/** How much of what two long values have in common stands before their difference. */
const CONTEXT = 12;

function short(text: string): string {
  const line = text.replaceAll('\n', ' ');
  return line.length > SHOWN ? `${line.slice(0, SHOWN - 3)}...` : line;
}

function getText(value: Json | undefined): string {
  return value === undefined || value === null ? 'nothing' : JSON.stringify(value);
}

function show(value: Json | undefined): string {
  return short(getText(value));
}

/** Two values beside each other; of long ones the part in which they differ. */
function showBoth(before: Json | undefined, after: Json | undefined): [string, string] {
  const texts = [getText(before), getText(after)] as const;
  const [old, now] = texts;
  let common = 0;
  while (common < old.length && old[common] === now[common]) common += 1;
  // The part that is cut off at the end must not be the difference.
  if (common < SHOWN - CONTEXT) return [short(old), short(now)];
  const from = common - CONTEXT;
  return [`...${short(old.slice(from))}`, `...${short(now.slice(from))}`];
}

const octal = (mode: number) => mode.toString(8).padStart(4, '0');

/** What an entry is, in a few words: `file 0644, sha256 1f2e..., 12 bytes`. */
export function describeEntry(entry: TreeEntry): string {
  const head = `${entry.type} ${octal(entry.mode)}`;
  if (entry.type === 'file') return `${head} sha256 ${entry.digest.slice(0, 12)} ${entry.size} B`;
  if (entry.type === 'symlink') return `symlink -> ${entry.target}`;
  return head;
}

function changedParts(before: TreeEntry, after: TreeEntry): string {
  if (before.type !== after.type) return `${before.type} became ${after.type}`;
  const parts: string[] = [];
  if (before.type === 'file' && after.type === 'file' && before.digest !== after.digest)
    parts.push(`content ${before.digest.slice(0, 12)} -> ${after.digest.slice(0, 12)}`);
  if (before.type === 'symlink' && after.type === 'symlink' && before.target !== after.target)
    parts.push(`target ${before.target} -> ${after.target}`);
  if (before.mode !== after.mode) parts.push(`mode ${octal(before.mode)} -> ${octal(after.mode)}`);
  if (before.uid !== after.uid || before.gid !== after.gid)
    parts.push(`owner ${before.uid}:${before.gid} -> ${after.uid}:${after.gid}`);
  if (JSON.stringify(before.xattrs) !== JSON.stringify(after.xattrs))
    parts.push('extended attributes');
  return parts.join(', ');
}

function changeText(change: TreeChange): string {
  switch (change.change) {
    case 'added':
      return `${change.path} was added (${describeEntry(change.after)})`;
    case 'removed':
      return `${change.path} was removed (${describeEntry(change.before)})`;
    case 'changed':
      return `${change.path} changed (${changedParts(change.before, change.after)})`;
  }
}

/** A changed file in one line. */
export function describeChange(change: TreeChange): string {
  return printable(changeText(change));
}

function notKnown({ before, after }: Difference & { kind: 'withheld variable' }): string {
  if (before === null && after === null) return 'this machine knows neither';
  return `this machine does not know the ${before === null ? 'former' : 'new'} one`;
}

/** What the members of `resources` are called on the command line. */
const OPTIONS: ReadonlyMap<string, string> = new Map([
  ['resources extraHosts', '--add-host'],
  ['resources shmSize', '--shm-size'],
  ['resources ulimits', '--ulimit'],
  ['resources noHosts', '--no-hosts'],
  ['resources resolver', '--dns'],
  ['resources capabilities', '--cap-add or --cap-drop'],
  ['resources volumes', '--volume'],
  ['resources users', 'users of the user namespace'],
]);

function labelOf(name: string): string {
  if (name.startsWith('env ')) return name.slice('env '.length);
  return OPTIONS.get(name) ?? name;
}

const isPlain = (value: Json | undefined): boolean =>
  typeof value !== 'object' || value === null || (Array.isArray(value) && value.every(isPlain));

function differenceText(difference: Difference, parent: (index: number) => string): string {
  switch (difference.kind) {
    case 'file':
      return changeText(difference.change);
    case 'sources': {
      const { added, removed } = difference;
      const parts = [
        ...(added.length > 0 ? [`${short(added.join(' '))} was added`] : []),
        ...(removed.length > 0 ? [`${short(removed.join(' '))} was removed`] : []),
      ];
      return parts.join(', ');
    }
    case 'unlisted files':
      return `files of ${difference.path} changed`;
    case 'withheld variable':
      return `${difference.name} may have another value now: ${notKnown(difference)}`;
    case 'parent':
      return `${parent(difference.index)} changed`;
    case 'operand': {
      const { name, before, after } = difference;
      const label = labelOf(name);
      // What stands in a key is not what was written: numbers of resource.h, and the like.
      if (OPTIONS.has(name) && ![before, after].every(isPlain)) return `${label} changed`;
      // The value of a variable that only another machine knows is null.
      if (before === undefined)
        return after === null ? `${label} is set now` : `${label} is set now: ${show(after)}`;
      if (after === undefined)
        return `${label} is not set any more${before === null ? '' : `, it was ${show(before)}`}`;
      const [old, now] = showBoth(before, after);
      return `${label} changed from ${old} to ${now}`;
    }
    case 'instruction':
      return `the instruction was ${short(difference.before)}`;
    default:
      return `${difference.kind} changed from ${difference.before} to ${difference.after}`;
  }
}

/**
 * A difference in one line, whatever names and instructions hold.
 * @param parent name of the step that a parent's key belongs to
 */
export function describeDifference(
  difference: Difference,
  parent: (index: number) => string,
): string {
  return printable(differenceText(difference, parent));
}
