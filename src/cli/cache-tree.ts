/** `wiac cache tree`: the entries as they were built on each other. */

import type { DefinitionKey } from '../keys/digest.js';
import { allEntries } from '../store/entries/cache-queries.js';
import { findLayer } from '../store/layers/find-layers.js';
import type { StepRecord } from '../store/records.js';
import type { Store } from '../store/store.js';
import { formatAge, formatBytes, plainCell } from '../ui/format.js';
import { withStore } from './with-store.js';

interface Node {
  readonly record: StepRecord;
  readonly bytes: number;
  readonly children: readonly Node[];
}

/** Entries below the one they were built on; those on scratch, an image or a removed entry are roots. */
function forest(store: Store): Node[] {
  const records = new Map(
    [...allEntries(store)].map((record): [DefinitionKey, StepRecord] => [record.key, record]),
  );
  const children = new Map<DefinitionKey | undefined, StepRecord[]>();
  for (const record of records.values()) {
    const [parent] = record.inputs.parents;
    const known = parent !== undefined && records.has(parent) ? parent : undefined;
    children.set(known, [...(children.get(known) ?? []), record]);
  }
  const nodes = (parent: DefinitionKey | undefined): Node[] =>
    (children.get(parent) ?? [])
      .sort((a, b) => a.created - b.created)
      .map((record) => ({
        record,
        bytes: record.layer === undefined ? 0 : (findLayer(store, record.layer)?.bytes ?? 0),
        children: nodes(record.key),
      }));
  return nodes(undefined);
}

function* lines(nodes: readonly Node[], now: number, indent = ''): Generator<string> {
  for (const [index, { record, bytes, children }] of nodes.entries()) {
    const last = index === nodes.length - 1;
    const text = plainCell(record.inputs.text);
    const facts = `${record.key.slice(0, 12)}, ${formatBytes(bytes)}, ${formatAge(now - record.created)}`;
    yield `${indent}${last ? '└── ' : '├── '}${text} (${facts})`;
    yield* lines(children, now, `${indent}${last ? '    ' : '│   '}`);
  }
}

interface JsonNode {
  readonly key: DefinitionKey;
  readonly instruction: string;
  readonly created: number;
  readonly bytes: number;
  readonly children: readonly JsonNode[];
}

function asJson({ record, bytes, children }: Node): JsonNode {
  const { key, created, inputs } = record;
  return { key, instruction: inputs.text, created, bytes, children: children.map(asJson) };
}

/** Prints the forest. */
export function treeCommand(options: { readonly format: 'table' | 'json' }): Promise<void> {
  return withStore((store) => {
    const roots = forest(store);
    if (options.format === 'json') {
      process.stdout.write(`${JSON.stringify(roots.map(asJson), null, 2)}\n`);
      return;
    }
    for (const line of lines(roots, Date.now())) process.stdout.write(`${line}\n`);
  });
}
