/** Entries of the cache, a page at a time. Pure. */
import type { EntrySummary } from '../store/entries/cache-queries.js';
import { ENTRY_SORTS } from '../store/entries/cache-queries.js';
import type { EntryQuery } from './answer.js';
import { oneLine, sumBytes } from './one-line.js';
import type { EntryLine, EntryPage } from './ui-data.js';

function toEntryLine(entry: EntrySummary): EntryLine {
  const { key, text, created, lastUsed, hits, durationMs, files, bytes } = entry;
  return { key, text: oneLine(text), created, lastUsed, hits, took: durationMs, files, bytes };
}

/** A page of entries: those whose instruction contains the text, or whose key begins with it. */
export function pageOf(all: Iterable<EntrySummary>, query: EntryQuery): EntryPage {
  const { text, sort, reverse, offset, count } = query;
  const words = text.trim().toLowerCase();
  const value = ENTRY_SORTS[sort];
  const fitting = [...all].filter(
    (entry) => entry.text.toLowerCase().includes(words) || entry.key.startsWith(words),
  );
  fitting.sort((a, b) => (reverse ? value(a) - value(b) : value(b) - value(a)));
  return {
    entries: fitting.slice(offset, offset + count).map(toEntryLine),
    offset,
    total: fitting.length,
    bytes: sumBytes(fitting),
  };
}
