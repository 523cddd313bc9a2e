/** `wiac cache ls|show|du|rm` */

import type { LayerFile } from '../fs/layer/list-files.js';
import { listLayerWithDevices } from '../fs/layer/list-files.js';
import type { EntrySummary } from '../store/entries/cache-queries.js';
import { ENTRY_SORTS, findEntry, listEntries } from '../store/entries/cache-queries.js';
import { removeEntries } from '../store/entries/remove-entries.js';
import { summarizeUsage } from '../store/entries/usage.js';
import { findLayer } from '../store/layers/find-layers.js';
import { layerFiles } from '../store/layers/layer-store.js';
import type { StepRecord } from '../store/records.js';
import { formatAge, formatBytes, formatDuration, formatTable, plainCell } from '../ui/format.js';
import type { Json } from '../util/canonical-json.js';
import { plural } from '../util/plural.js';
import type { SetExitCode } from './declare/options.js';
import type { FilterOptions } from './filters.js';
import { parseFilter } from './filters.js';
import { withStore, withStoreAsRoot } from './with-store.js';

interface FormatOption {
  readonly format: 'table' | 'json';
}

interface ListOptions extends FormatOption, FilterOptions {
  readonly sort: keyof typeof ENTRY_SORTS;
  readonly reverse: boolean;
  readonly quiet: boolean;
}

function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

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
    plainCell(entry.text),
  ]);
}

function sorted(
  entries: Iterable<EntrySummary>,
  { sort, reverse }: ListOptions,
): Iterable<EntrySummary> {
  // The order in which they come: nothing has to be read to its end.
  if (sort === 'created' && !reverse) return entries;
  const value = ENTRY_SORTS[sort];
  const list = [...entries].sort((a, b) => value(b) - value(a));
  return reverse ? list.reverse() : list;
}

/** `wiac cache ls` */
export function listCommand(options: ListOptions): Promise<void> {
  const filter = parseFilter(options);
  return withStore((store) => {
    const now = Date.now();
    const entries = sorted(listEntries(store, filter, now), options);
    if (options.quiet) {
      for (const { key } of entries) process.stdout.write(`${key}\n`);
      return;
    }
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
        : `${layer} (${plural(files.length, 'file')}, ${formatBytes(bytes)})`,
    ],
  ];
  const list = files.map((file) => [
    file.mode,
    `${file.uid}:${file.gid}`,
    String(file.size),
    // As ls(1) shows symbolic links.
    file.target === undefined ? file.path : `${file.path} -> ${file.target}`,
  ]);
  return formatTable(rows) + (list.length > 0 ? `\n${formatTable(list)}` : '');
}

/** `wiac cache show` */
export function showCommand(
  key: string,
  options: FormatOption,
  setExitCode: SetExitCode,
): Promise<void> {
  return withStoreAsRoot(setExitCode, async (store) => {
    const record = findEntry(store, key);
    const layer = record.layer === undefined ? undefined : findLayer(store, record.layer);
    const files = layer ? await listLayerWithDevices(layerFiles(store, layer.id)) : [];
    if (options.format === 'table')
      return void process.stdout.write(showText(record, files, layer?.bytes ?? 0));
    // What an inode's number says is for this program alone.
    const plain = files.map(({ inode: _, ...file }) => file);
    printJson({ ...record, layerRecord: layer ?? null, files: plain });
  });
}

/** `wiac cache du` */
export function usageCommand(options: FormatOption): Promise<void> {
  return withStore((store) => {
    const usage = summarizeUsage(store);
    const { root } = store.paths;
    if (options.format === 'json') {
      printJson({ root, ...usage });
      return;
    }
    const now = Date.now();
    process.stdout.write(
      formatTable([
        ['store', root],
        ['entries', String(usage.entries)],
        ['layers', String(usage.layers)],
        ['images', String(usage.images)],
        ['size', formatBytes(usage.bytes)],
        ['on disk', formatBytes(usage.diskBytes)],
        ['compressed', formatBytes(usage.blobBytes)],
        ['index', formatBytes(usage.indexBytes)],
        ...usage.mounts.map(({ id, bytes, lastUsed }) => [
          `mount ${id}`,
          `${formatBytes(bytes)}, used ${lastUsed === 0 ? 'before' : `${formatAge(now - lastUsed)} ago`}`,
        ]),
        ['reclaimable', formatBytes(usage.reclaimableBytes)],
      ]),
    );
  });
}

/** `wiac cache rm` */
export async function removeCommand(
  keys: readonly string[],
  setExitCode: SetExitCode,
): Promise<void> {
  // Layers of an ordinary user hold files of others: only in the user namespace they can go.
  return withStoreAsRoot(setExitCode, async (store) => {
    const records = keys.map((key) => findEntry(store, key));
    for (const { key, layerKept } of removeEntries(store, records))
      process.stdout.write(`removed ${key}${layerKept ? ', its layer is still needed' : ''}\n`);
  });
}
