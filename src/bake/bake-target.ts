/** What a bake file may say of a target, in the order in which `--print` has it. */

/** How a field is written: a string, true or false, strings, strings by name, or records of attributes. */
export type FieldKind = 'text' | 'switch' | 'texts' | 'words' | 'entries';

/** What becomes of a field that is there already: the new value replaces it, or is added to it. */
type Merging = 'replace' | 'add';

interface Field {
  readonly kind: FieldKind;
  readonly merging: Merging;
  /** As --set calls it, where that is another name. */
  readonly set?: string;
}

export const FIELDS = {
  description: { kind: 'text', merging: 'replace' },
  annotations: { kind: 'texts', merging: 'add' },
  attest: { kind: 'entries', merging: 'add' },
  context: { kind: 'text', merging: 'replace' },
  contexts: { kind: 'words', merging: 'add' },
  dockerfile: { kind: 'text', merging: 'replace' },
  'dockerfile-inline': { kind: 'text', merging: 'replace' },
  args: { kind: 'words', merging: 'add' },
  labels: { kind: 'words', merging: 'add' },
  tags: { kind: 'texts', merging: 'replace' },
  'cache-from': { kind: 'entries', merging: 'add' },
  'cache-to': { kind: 'entries', merging: 'replace' },
  target: { kind: 'text', merging: 'replace' },
  secret: { kind: 'entries', merging: 'add', set: 'secrets' },
  ssh: { kind: 'entries', merging: 'add' },
  platforms: { kind: 'texts', merging: 'replace', set: 'platform' },
  output: { kind: 'entries', merging: 'replace' },
  pull: { kind: 'switch', merging: 'replace' },
  'no-cache': { kind: 'switch', merging: 'replace' },
  network: { kind: 'text', merging: 'replace' },
  'no-cache-filter': { kind: 'texts', merging: 'add' },
  'shm-size': { kind: 'text', merging: 'replace' },
  ulimits: { kind: 'texts', merging: 'add' },
  call: { kind: 'text', merging: 'replace' },
  entitlements: { kind: 'texts', merging: 'add' },
  'extra-hosts': { kind: 'words', merging: 'add' },
} as const satisfies Readonly<Record<string, Field>>;

export type FieldName = keyof typeof FIELDS;

/** Fields that are records: `type=local,dest=out`, or an object. */
export type EntryField = {
  [Name in FieldName]: (typeof FIELDS)[Name]['kind'] extends 'entries' ? Name : never;
}[FieldName];

/** Attributes by their names. */
export type Entry = ReadonlyMap<string, string>;

interface Values {
  readonly text: string;
  readonly switch: boolean;
  readonly texts: readonly string[];
  /** Null: as if it were not there. */
  readonly words: ReadonlyMap<string, string | null>;
  readonly entries: readonly Entry[];
}

export type FieldValue = Values[FieldKind];

/** What was said of a target. */
export type Fields = {
  readonly [Name in FieldName]?: Values[(typeof FIELDS)[Name]['kind']];
};

/** A target as one file has it. */
export interface WrittenTarget {
  readonly name: string;
  readonly inherits: readonly string[];
  readonly fields: Fields;
}

export interface Group {
  readonly name: string;
  readonly description?: string | undefined;
  readonly targets: readonly string[];
}

/** A variable, for --list. */
export interface ListedVariable {
  readonly name: string;
  readonly description?: string;
  readonly type?: string;
  readonly value: string | null;
}

/** What all files together say. Of several with one name the later ones are added to the first. */
export interface Definition {
  readonly targets: readonly WrittenTarget[];
  readonly groups: readonly Group[];
  readonly variables: readonly ListedVariable[];
  readonly warnings: readonly string[];
  /** Services of compose files that have nothing to build. */
  readonly unbuilt: readonly string[];
}

/** A target that is to be built. */
export interface BakeTarget {
  readonly name: string;
  readonly fields: Fields;
  /** Nobody asked for it by name: another target is made of it. */
  readonly isLinked: boolean;
}

/** The names of all fields. */
export const FIELD_NAMES = Object.keys(FIELDS) as FieldName[];

/** Is it the name of a field? */
export function isFieldName(name: string): name is FieldName {
  return Object.hasOwn(FIELDS, name);
}

/** `target:NAME`, as a context may be. @returns the name */
export function linkedTarget(context: string): string | undefined {
  return context.startsWith('target:') ? context.slice('target:'.length) : undefined;
}
