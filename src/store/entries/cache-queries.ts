/** Questions people ask of the cache, and removal of entries. */

import type { DefinitionKey } from '../../keys/digest.js';
import { NotFoundError, UsageError } from '../../util/errors.js';
import type { CacheIndex } from '../index/index-db.js';
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import type { LayerId, StepRecord, UsageRecord } from '../records.js';
import { newestEntries } from './timeline.js';
import { readUses } from './use-notes.js';

/** An entry as it is listed. Times in ms since the epoch. */
export interface EntrySummary {
  readonly key: DefinitionKey;
  readonly kind: string;
  readonly text: string;
  readonly created: number;
  readonly lastUsed: number;
  readonly hits: number;
  readonly durationMs: number;
  readonly layer: LayerId | null;
  /** Bytes of the layer's own files. */
  readonly bytes: number;
  readonly files: number;
}

/** What a list can be sorted by; the largest, newest or longest first. */
export const ENTRY_SORTS = {
  created: (entry: EntrySummary) => entry.created,
  used: (entry: EntrySummary) => entry.lastUsed,
  size: (entry: EntrySummary) => entry.bytes,
  time: (entry: EntrySummary) => entry.durationMs,
  hits: (entry: EntrySummary) => entry.hits,
} as const;

/** Conditions that all have to hold; ages in ms, sizes in bytes. */
export interface EntryFilter {
  readonly text?: string | undefined;
  readonly olderThan?: number | undefined;
  readonly newerThan?: number | undefined;
  readonly unusedFor?: number | undefined;
  readonly largerThan?: number | undefined;
  readonly smallerThan?: number | undefined;
}

/** An entry with its layer and its usage. */
export function summarize(
  index: CacheIndex,
  record: StepRecord,
  usage: UsageRecord | undefined,
): EntrySummary {
  const layer = record.layer === undefined ? undefined : index.layers.get(record.layer);
  return {
    key: record.key,
    kind: record.inputs.kind,
    text: record.inputs.text,
    created: record.created,
    lastUsed: usage?.lastUsed ?? record.created,
    hits: usage?.hits ?? 0,
    durationMs: record.durationMs,
    layer: record.layer ?? null,
    bytes: layer?.bytes ?? 0,
    files: layer?.files ?? 0,
  };
}

/** Does something fit a filter? Without a text of its own it fits no text. */
export function fits(
  entry: Pick<EntrySummary, 'text' | 'created' | 'lastUsed' | 'bytes'>,
  filter: EntryFilter,
  now: number,
): boolean {
  const { text, olderThan, newerThan, unusedFor, largerThan, smallerThan } = filter;
  if (text !== undefined && !entry.text.toLowerCase().includes(text.toLowerCase())) return false;
  if (olderThan !== undefined && now - entry.created <= olderThan) return false;
  if (newerThan !== undefined && now - entry.created > newerThan) return false;
  if (unusedFor !== undefined && now - entry.lastUsed <= unusedFor) return false;
  if (largerThan !== undefined && entry.bytes <= largerThan) return false;
  return smallerThan === undefined || entry.bytes < smallerThan;
}

/** Entries that fit, newest first. */
export function* listEntries(
  store: Indexed,
  filter: EntryFilter,
  now: number,
): Generator<EntrySummary> {
  const index = getTables(store);
  const usageOf = readUses(index);
  for (const record of newestEntries(index)) {
    const entry = summarize(index, record, usageOf(record.key));
    if (fits(entry, filter, now)) yield entry;
  }
}

const KEY_DIGITS = 64;

/**
 * The entry whose key is or begins with the given digits.
 * @throws NotFoundError when there is none, UsageError when there are several
 */
export function findEntry(store: Indexed, prefix: string): StepRecord {
  const index = getTables(store);
  const matches: StepRecord[] = [];
  // lmdb takes no longer keys than some; ours are SHA-256.
  const start = prefix.slice(0, KEY_DIGITS + 1) as DefinitionKey;
  for (const { key, value } of index.steps.getRange({ start })) {
    if (!key.startsWith(prefix) || matches.length > 1) break;
    matches.push(value);
  }
  const [only, second] = matches;
  if (only && !second) return only;
  if (only)
    throw new UsageError(`${prefix || "''"} is the beginning of several keys`, {
      hint: 'give more digits',
    });
  throw new NotFoundError(`no entry has a key that begins with ${prefix}`, {
    hint: 'wiac cache ls lists the keys',
  });
}

/** All entries. */
export function* allEntries(store: Indexed): Generator<StepRecord> {
  for (const { value } of getTables(store).steps.getRange()) yield value;
}
