/** `--print` and `--list`: what would be built, as docker buildx prints it. */
import { compareText } from '../hcl/hcl-value.js';
import type {
  BakeTarget,
  Entry,
  EntryField,
  FieldName,
  Fields,
  FieldValue,
  ListedVariable,
} from './bake-target.js';
import { FIELD_NAMES, FIELDS } from './bake-target.js';
import { printedEntry } from './field-entries.js';
import type { Named, Selection } from './resolve-targets.js';

function byName<T>(items: readonly (readonly [string, T])[]): Record<string, T> {
  return Object.fromEntries([...items].sort(([a], [b]) => compareText(a, b)));
}

function printedValue(name: FieldName, value: FieldValue): unknown {
  if (value instanceof Map) return byName([...value]);
  if (FIELDS[name].kind !== 'entries') return value;
  return (value as readonly Entry[]).map((entry) => printedEntry(name as EntryField, entry));
}

function printedFields(fields: Fields): Record<string, unknown> {
  const present = FIELD_NAMES.flatMap((name) => {
    const value = fields[name];
    return value === undefined ? [] : [[name, printedValue(name, value)] as const];
  });
  return Object.fromEntries(present);
}

/** Groups and targets by their names, as plain data. */
export function printedSelection({ groups, targets }: Selection): Record<string, unknown> {
  const printedGroups = groups.map(({ name, description, targets: names }) => {
    const group = { ...(description ? { description } : {}), targets: names };
    return [name, group] as const;
  });
  return {
    ...(groups.length > 0 ? { group: byName(printedGroups) } : {}),
    target: byName(
      targets.map(({ name, fields }: BakeTarget) => [name, printedFields(fields)] as const),
    ),
  };
}

/** What --list asks for. */
export interface Listing {
  readonly type: 'targets' | 'variables';
  readonly format: 'table' | 'json';
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => [...(row[column] ?? '')].length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** The targets and groups of all files. */
export function listTargets({ targets, groups }: Named, format: Listing['format']): string {
  const listed = new Map<string, { description: string; group: boolean }>();
  for (const { name, fields } of targets.values())
    listed.set(name, { description: fields.description ?? '', group: false });
  for (const { name, description = '', targets: names } of groups.values())
    listed.set(name, { description: description || names.join(', '), group: true });
  // Names that begin with _ are for others to inherit from.
  const shown = [...listed].filter(([name]) => !name.startsWith('_'));
  const sorted = shown.sort(
    ([a], [b]) => Number(b === 'default') - Number(a === 'default') || compareText(a, b),
  );
  if (format === 'table')
    return table([
      ['TARGET', 'DESCRIPTION'],
      ...sorted.map(([name, { description }]) => [name, description]),
    ]);
  const items = sorted.map(([name, { description, group }]) => ({
    name,
    ...(description === '' ? {} : { description }),
    ...(group ? { group } : {}),
  }));
  return `${JSON.stringify(items, null, 2)}\n`;
}

/** The variables of all files, with the values that they have now. */
export function listVariables(
  variables: readonly ListedVariable[],
  format: Listing['format'],
): string {
  const sorted = [...variables].sort((a, b) => compareText(a.name, b.name));
  if (format === 'json') return `${JSON.stringify(sorted, null, 2)}\n`;
  const rows = sorted.map(({ name, type = '', value, description = '' }) => [
    name,
    type,
    value ?? '<null>',
    description,
  ]);
  return table([['VARIABLE', 'TYPE', 'VALUE', 'DESCRIPTION'], ...rows]);
}
