/** `wiac cache ls|show|du|rm` */
import { layerFiles } from '../cache/layer-store.js';
import type { EntryFilter, EntrySummary } from '../cache/queries.js';
import { findEntry, listEntries, removeEntry, summarizeUsage } from '../cache/queries.js';
import type { StepRecord } from '../cache/records.js';
import { UsageError } from '../errors.js';
import type { Json } from '../keys/digest.js';
import type { LayerFile } from '../layers/list-files.js';
import { listLayerFiles } from '../layers/list-files.js';
import { formatAge, formatBytes, formatDuration, formatTable } from '../ui/format.js';
import { withStore } from './with-store.js';

interface FormatOption {
  readonly format: 'table' | 'json';
}

interface ListOptions extends FormatOption {
  readonly sort: keyof typeof SORTS;
  readonly reverse: boolean;
  readonly filter?: string;
  readonly older?: string;
  readonly newer?: string;
  readonly unused?: string;
  readonly larger?: string;
  readonly smaller?: string;
}

const AGE_UNITS: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 };
const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9 };

function parseUnit(
  text: string | undefined,
  units: Readonly<Record<string, number>>,
  option: string,
  example: string,
): number | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d+(?:\.\d+)?)([a-z]?)$/i.exec(text);
  const factor = units[(match?.[2] ?? '').toLowerCase()];
  if (!match || factor === undefined)
    throw new UsageError(`${option} ${text}: not understood`, { hint: `write it like ${example}` });
  return Number(match[1]) * factor;
}

function parseFilter(options: ListOptions): EntryFilter {
  const age = (text: string | undefined, name: string) =>
    parseUnit(text, AGE_UNITS, name, '30s, 5m, 2h or 7d');
  const size = (text: string | undefined, name: string) =>
    parseUnit(text, SIZE_UNITS, name, '500, 10k, 1M or 2G');
  return {
    text: options.filter,
    olderThan: age(options.older, '--older'),
    newerThan: age(options.newer, '--newer'),
    unusedFor: age(options.unused, '--unused'),
    largerThan: size(options.larger, '--larger'),
    smallerThan: size(options.smaller, '--smaller'),
  };
}

function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** What a list can be sorted by; the largest, newest or longest first. */
export const SORTS = {
  created: (entry: EntrySummary) => entry.created,
  used: (entry: EntrySummary) => entry.lastUsed,
  size: (entry: EntrySummary) => entry.bytes,
  time: (entry: EntrySummary) => entry.durationMs,
  hits: (entry: EntrySummary) => entry.hits,
} as const;

/** Widths are fixed: a row is printed before the next one is known. */
const COLUMNS = [
  ['KEY', 12],
  ['AGE', 4],
  ['USED', 4],
  ['HITS', 5],
  ['TOOK', 6],
  ['FILES', 6],
  ['SIZE', 7],
  ['INSTRUCTION', 0],
] as const;

function tableRow(cells: readonly string[]): string {
  const padded = cells.map((cell, index) => cell.padEnd(COLUMNS[index]?.[1] ?? 0));
  return `${padded.join('  ').trimEnd()}\n`;
}

function entryRow(entry: EntrySummary, now: number): string {
  return tableRow([
    entry.key.slice(0, 12),
    formatAge(now - entry.created),
    formatAge(now - entry.lastUsed),
    String(entry.hits),
    formatDuration(entry.durationMs),
    String(entry.files),
    formatBytes(entry.bytes),
    entry.text.replaceAll('\n', ' '),
  ]);
}

function sorted(
  entries: Iterable<EntrySummary>,
  { sort, reverse }: ListOptions,
): Iterable<EntrySummary> {
  // The order in which they come: nothing has to be read to its end.
  if (sort === 'created' && !reverse) return entries;
  const value = SORTS[sort];
  const list = [...entries].sort((a, b) => value(b) - value(a));
  return reverse ? list.reverse() : list;
}

/** `wiac cache ls` */
export function listCommand(options: ListOptions): Promise<void> {
  const filter = parseFilter(options);
  return withStore(({ index }) => {
    const now = Date.now();
    const entries = sorted(listEntries(index, filter, now), options);
    if (options.format === 'json') return printJson([...entries]);
    process.stdout.write(tableRow(COLUMNS.map(([name]) => name)));
    for (const entry of entries) process.stdout.write(entryRow(entry, now));
  });
}

function show(value: Json | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function showText(record: StepRecord, files: readonly LayerFile[], bytes: number): string {
  const { inputs } = record;
  const layer = record.layer ?? 'none';
  const rows: string[][] = [
    ['key', record.key],
    ['content key', record.contentKey ?? '(not needed yet)'],
    ['operation', record.operation],
    ['instruction', inputs.text],
    ['created', new Date(record.created).toISOString()],
    ['took', formatDuration(record.durationMs)],
    ['key version', String(inputs.version)],
    ['platform', inputs.platform],
    ...Object.entries(inputs.operands).map(([name, value]) => [`operand ${name}`, show(value)]),
    ...inputs.files.map(({ kind, path, tree }) => [
      `files ${kind}`,
      `${tree} ${path === '' ? '.' : path}`,
    ]),
    ...inputs.parents.map((key) => ['parent', key]),
    ...(record.reads === undefined ? [] : [['reads', show(record.reads)]]),
    ...record.base.map((id) => ['base layer', id]),
    [
      'layer',
      record.layer === undefined
        ? layer
        : `${layer} (${files.length} files, ${formatBytes(bytes)})`,
    ],
  ];
  const list = files.map((file) => [
    file.mode,
    `${file.uid}:${file.gid}`,
    String(file.size),
    file.path,
  ]);
  return formatTable(rows) + (list.length > 0 ? `\n${formatTable(list)}` : '');
}

/** `wiac cache show` */
export function showCommand(key: string, options: FormatOption): Promise<void> {
  return withStore((store) => {
    const { index } = store;
    const record = findEntry(index, key);
    const layer = record.layer === undefined ? undefined : index.layers.get(record.layer);
    const files = layer ? listLayerFiles(layerFiles(store, layer.id)) : [];
    if (options.format === 'json') printJson({ ...record, layerRecord: layer ?? null, files });
    else process.stdout.write(showText(record, files, layer?.bytes ?? 0));
  });
}

/** `wiac cache du` */
export function usageCommand(options: FormatOption): Promise<void> {
  return withStore(({ index, paths }) => {
    const usage = summarizeUsage(index);
    if (options.format === 'json') {
      printJson({ root: paths.root, ...usage });
      return;
    }
    process.stdout.write(
      formatTable([
        ['store', paths.root],
        ['entries', String(usage.entries)],
        ['layers', String(usage.layers)],
        ['images', String(usage.images)],
        ['size', formatBytes(usage.bytes)],
        ['reclaimable', formatBytes(usage.reclaimableBytes)],
      ]),
    );
  });
}

/** `wiac cache rm` */
export function removeCommand(keys: readonly string[]): Promise<void> {
  return withStore((store) => {
    const records = keys.map((key) => findEntry(store.index, key));
    for (const record of records) {
      const { key, layerRemoved } = removeEntry(store, record);
      const rest = layerRemoved || record.layer === undefined ? '' : ', its layer is still needed';
      process.stdout.write(`removed ${key}${rest}\n`);
    }
  });
}
