/** What several places say of one target, as one. */
import type { Entry, FieldName, Fields, FieldValue } from './bake-target.js';
import { FIELD_NAMES, FIELDS, isFieldName } from './bake-target.js';

type Words = ReadonlyMap<string, string | null>;

function isWords(value: FieldValue): value is Words {
  return value instanceof Map;
}

/** Null says nothing: what was there before stays. */
function mergeWords(before: Words, value: Words): Words {
  return new Map([...before, ...[...value].filter(([, word]) => word !== null)]);
}

/** Of one kind of attestation there is one. */
function mergeAttestations(entries: readonly Entry[]): readonly Entry[] {
  const byType = new Map<string | undefined, Entry>();
  for (const entry of entries) byType.set(entry.get('type'), entry);
  return [...byType.values()];
}

function mergeValue(
  name: FieldName,
  before: FieldValue | undefined,
  value: FieldValue,
): FieldValue {
  if (isWords(value)) return mergeWords(before instanceof Map ? before : new Map(), value);
  if (FIELDS[name].merging === 'replace' || before === undefined) return value;
  if (!Array.isArray(before) || !Array.isArray(value)) return value;
  const both = [...before, ...value] as readonly Entry[] | readonly string[];
  return name === 'attest' ? mergeAttestations(both as readonly Entry[]) : both;
}

/** The fields of both; those of the second count before those of the first. */
export function mergeFields(first: Fields, second: Fields): Fields {
  const merged: Partial<Record<FieldName, FieldValue>> = { ...first };
  for (const [name, value] of Object.entries(second))
    if (isFieldName(name) && value !== undefined)
      merged[name] = mergeValue(name, merged[name], value);
  return merged as Fields;
}

function sameEntry(a: Entry, b: Entry): boolean {
  return a.size === b.size && [...a].every(([name, value]) => b.get(name) === value);
}

function normalValue(value: FieldValue): FieldValue | undefined {
  if (isWords(value)) return value.size > 0 ? value : undefined;
  if (!Array.isArray(value)) return value;
  if (value.every((item) => typeof item === 'string')) {
    const texts = [...new Set(value.filter((item) => item !== ''))];
    return texts.length > 0 ? texts : undefined;
  }
  return (value as readonly Entry[]).filter(
    (entry, at, all) => all.findIndex((other) => sameEntry(other, entry)) === at,
  );
}

/** Without what is there twice and what is empty. */
export function normalFields(fields: Fields): Fields {
  const normal: Partial<Record<FieldName, FieldValue>> = {};
  const contexts = [...(fields.contexts ?? [])].filter(
    ([, value]) => value !== '' && value !== null,
  );
  const entitlements =
    fields.network === 'host' ? [...(fields.entitlements ?? []), 'network.host'] : undefined;
  const full: Fields = {
    ...fields,
    contexts: new Map(contexts),
    ...(entitlements && { entitlements }),
  };
  for (const name of FIELD_NAMES) {
    const value = full[name];
    const kept = value === undefined ? undefined : normalValue(value);
    if (kept !== undefined) normal[name] = kept;
  }
  return normal as Fields;
}
