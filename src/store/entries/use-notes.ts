/**
 * When entries were used. A transaction that changes the index waits for the disk, and a build in which
 * every step is cached would have nothing else to write: so builds append a line to a file beside the index, which
 * nobody waits for. A power cut may take the last lines: then prune takes these entries for less recently used.
 *
 * Lines are appended within write transactions, which run one after the other, and a transaction moves them to the
 * table `usage` when there are many. It also increases the number in the file's name, so that each line counts
 * once, wherever a process dies.
 */
import { appendFileSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DefinitionKey } from '../../keys/digest.js';
import type { CacheIndex } from '../index/index-db.js';
import type { UsageRecord } from '../records.js';

const NUMBER = 'useNotes';
const MAX_BYTES = 256 * 1024;
/** Digests are shorter. */
const MAX_KEY = 200;

function notesFile(index: CacheIndex, number: number): string {
  return join(dirname(index.file), `used.${number}`);
}

const fileNumber = (index: CacheIndex) => index.totals.get(NUMBER) ?? 0;

/** Bytes of a file of notes; of what is none, whatever it is, more than there may be. */
function notesSize(path: string): number {
  try {
    const file = statSync(path, { throwIfNoEntry: false });
    if (!file) return 0;
    return file.isFile() ? file.size : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

function readNotes(index: CacheIndex): string {
  const path = notesFile(index, fileNumber(index));
  try {
    // wiac writes none that is larger.
    return notesSize(path) > MAX_BYTES ? '' : readFileSync(path, 'utf8');
  } catch {
    // There are none.
    return '';
  }
}

/** Uses by key; what is no line is left out. */
function countUses(text: string): Map<DefinitionKey, UsageRecord> {
  const uses = new Map<DefinitionKey, UsageRecord>();
  for (const line of text.split('\n')) {
    const [time = '', ...keys] = line.split(' ');
    if (!/^\d{1,15}$/.test(time)) continue;
    for (const key of keys as DefinitionKey[]) {
      // The index throws for words that are longer than any key.
      if (key.length > MAX_KEY) continue;
      const { lastUsed, hits } = uses.get(key) ?? { lastUsed: 0, hits: 0 };
      uses.set(key, { lastUsed: Math.max(lastUsed, Number(time)), hits: hits + 1 });
    }
  }
  return uses;
}

function sum(
  one: UsageRecord | undefined,
  other: UsageRecord | undefined,
): UsageRecord | undefined {
  if (!one || !other) return one ?? other;
  const lastUsed = Math.max(one.lastUsed, other.lastUsed);
  return { lastUsed, hits: one.hits + other.hits };
}

/** Moves uses to the table; of entries that were removed meanwhile nothing is kept. */
function putUses(index: CacheIndex, uses: ReadonlyMap<DefinitionKey, UsageRecord>): void {
  for (const [key, use] of uses) {
    const usage = sum(index.usage.get(key), use);
    if (usage && index.steps.doesExist(key)) index.usage.putSync(key, usage);
  }
}

function removeNotes(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Nobody reads it any more.
  }
}

/** Notes that entries were used now; part of the caller's write transaction. */
export function noteUses(index: CacheIndex, keys: readonly DefinitionKey[]): void {
  if (keys.length === 0) return;
  // Begins with a line feed: the line before may be a part of one.
  const line = `\n${Date.now()} ${keys.join(' ')}`;
  const number = fileNumber(index);
  const path = notesFile(index, number);
  if (notesSize(path) + line.length > MAX_BYTES) {
    putUses(index, countUses(readNotes(index) + line));
    index.totals.putSync(NUMBER, number + 1);
    // The file of the transaction before: that one is certainly kept.
    removeNotes(notesFile(index, number - 1));
    return;
  }
  try {
    appendFileSync(path, line, { mode: 0o600 });
  } catch {
    putUses(index, countUses(line));
  }
}

/** When and how often an entry was used, if it was. One reading of the notes serves all entries of a list. */
export function readUses(index: CacheIndex): (key: DefinitionKey) => UsageRecord | undefined {
  const uses = countUses(readNotes(index));
  return (key) => sum(index.usage.get(key), uses.get(key));
}
