/**
 * Is what a record's file holds such a record? A user may have edited it; a record of another
 * shape is as good as none. Only what the index can't do without is looked at.
 */
import type { RecordKind } from './record-files.js';

type Shape = Readonly<Record<string, 'string' | 'number' | 'list' | 'object'>>;

const SHAPES: Readonly<Record<RecordKind, Shape>> = {
  layers: { id: 'string', created: 'number', bytes: 'number', disk: 'number', files: 'number' },
  remoteLayers: { id: 'string', diffId: 'string' },
  steps: {
    key: 'string',
    operation: 'string',
    inputs: 'object',
    base: 'list',
    readLayers: 'list',
    created: 'number',
  },
  images: { id: 'string', created: 'number', layers: 'list', config: 'object', history: 'list' },
  names: { name: 'string', image: 'string' },
};

function fits(value: unknown, wanted: Shape[string]): boolean {
  if (wanted === 'list') return Array.isArray(value);
  if (wanted === 'object') return typeof value === 'object' && value !== null;
  return typeof value === wanted;
}

/** @param value parsed JSON */
export function hasShape(kind: RecordKind, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const members = value as Readonly<Record<string, unknown>>;
  return Object.entries(SHAPES[kind]).every(([name, wanted]) => fits(members[name], wanted));
}
