/** Outlines and lists of targets for people, in the columns that buildx has. */
import type { Outline, OutlineMount } from './outline.js';
import type { TargetList } from './targets.js';

/** Columns that are as wide as their widest cell and some blanks; the last one ends where it ends. */
function columns(rows: readonly (readonly string[])[], blanks: number): string {
  const widths: number[] = [];
  for (const row of rows)
    for (const [at, cell] of row.slice(0, -1).entries())
      widths[at] = Math.max(widths[at] ?? 0, cell.length);
  const line = (row: readonly string[]) =>
    row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd((widths[at] ?? 0) + blanks)));
  return rows.map((row) => `${line(row).join('').trimEnd()}\n`).join('');
}

const UNNAMED = '(default)';

/** The stages with their descriptions. */
export function formatTargets({ targets }: TargetList): string {
  const rows = targets.flatMap(({ name, default: isDefault, description = '' }) => {
    if (name === undefined && !isDefault) return [];
    const words = [name, isDefault ? UNNAMED : undefined].filter((word) => word !== undefined);
    return [[words.join(' '), description]];
  });
  return columns([['TARGET', 'DESCRIPTION'], ...rows], 1);
}

function mountTable(title: string, mounts: readonly OutlineMount[] = []): string[] {
  if (mounts.length === 0) return [];
  const rows = mounts.map(({ name, required }) => [name, required ? 'true' : '']);
  return [columns([[title, 'REQUIRED'], ...rows], 3)];
}

/** The target, its arguments, secrets and ssh mounts. */
export function formatOutline({ name, description, args = [], secrets, ssh }: Outline): string {
  const head = [
    ['TARGET:', name ?? UNNAMED],
    ...(description === undefined ? [] : [['DESCRIPTION:', description]]),
  ];
  const rows = args.map((arg) => [arg.name, arg.value ?? '', arg.description ?? '']);
  const table = ['BUILD ARG', 'VALUE', 'DESCRIPTION'];
  return [
    columns(head, description === undefined ? 6 : 1),
    ...(rows.length === 0 ? [] : [columns([table, ...rows], 3)]),
    ...mountTable('SECRET', secrets),
    ...mountTable('SSH', ssh),
  ].join('\n');
}
