/** Fields that are records of attributes: read from strings as on the command line, and from objects. */
import { splitCsv } from '../util/csv-attributes.js';
import type { Entry, EntryField } from './bake-target.js';

/** What is wrong with a value; whoever reads it knows where it is. */
export class FieldError extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** Attributes of a CSV record. @throws FieldError */
function parsePairs(text: string): [string, string][] {
  const fields = splitCsv(text);
  if (!fields)
    throw new FieldError(
      `${text}: misplaced double quote`,
      'put a whole field in quotes: "dest=a,b",type=local',
    );
  return fields.map((field) => {
    const at = field.indexOf('=');
    if (at === -1) throw new FieldError(`${text}: '${field}' is no NAME=VALUE`);
    return [field.slice(0, at).trim().toLowerCase(), field.slice(at + 1)];
  });
}

function parseCache(text: string): Entry {
  if (!text.includes('='))
    return new Map([
      ['type', 'registry'],
      ['ref', text],
    ]);
  return new Map(parsePairs(text));
}

function parseOutput(text: string): Entry {
  const place = (type: string) =>
    new Map([
      ['type', type],
      ['dest', text],
    ]);
  if (text === '-') return place('tar');
  return text.includes('=') ? new Map(parsePairs(text)) : place('local');
}

/** A source of type env is the name of a variable. */
function normalSecret(given: Entry): Entry {
  const { type, ...others } = Object.fromEntries(given);
  const source = others.src ?? others.source;
  const env = others.env ?? (type === 'env' ? source : undefined);
  const src = type === 'env' ? undefined : source;
  const id = others.id ?? '';
  const known = ['id', 'src', 'source', 'env'];
  const unknown = Object.keys(others).find((key) => !known.includes(key));
  if (unknown !== undefined) throw new FieldError(`a secret has no ${unknown}`, known.join(', '));
  if (type !== undefined && type !== 'env' && type !== 'file')
    throw new FieldError(`a secret is of type file or env, not ${type}`);
  return new Map([
    ['id', id],
    ...(src === undefined ? [] : [['src', src] as const]),
    ...(env === undefined ? [] : [['env', env] as const]),
  ]);
}

function parseSsh(text: string): Entry {
  const at = text.indexOf('=');
  if (at === -1) return new Map([['id', text]]);
  return new Map([
    ['id', text.slice(0, at)],
    ['paths', text.slice(at + 1)],
  ]);
}

const FORM = {
  attest: { parse: (text) => new Map(parsePairs(text)), needs: 'type' },
  'cache-from': { parse: parseCache, needs: 'type' },
  'cache-to': { parse: parseCache, needs: 'type' },
  output: { parse: parseOutput, needs: 'type' },
  secret: { parse: (text) => normalSecret(new Map(parsePairs(text))), needs: undefined },
  ssh: { parse: parseSsh, needs: 'id' },
} as const satisfies Readonly<
  Record<EntryField, { parse: (text: string) => Entry; needs: string | undefined }>
>;

function complete(field: EntryField, entry: Entry): Entry {
  const { needs } = FORM[field];
  if (needs !== undefined && (entry.get(needs) ?? '') === '')
    throw new FieldError(`${field}: the ${needs} is missing`, `write ${needs}=...`);
  return entry;
}

/** An entry as the command line has it. @throws FieldError */
export function parseEntry(field: EntryField, text: string): Entry {
  return complete(field, FORM[field].parse(text));
}

/** What would be another attribute once the entry is text again. */
const NO_NAME = /[=,"\n]/;

/** An entry that is written as an object: its names are read as those of a string. @throws FieldError */
export function entryOfObject(field: EntryField, members: Entry): Entry {
  const given = new Map([...members].map(([name, value]) => [name.trim().toLowerCase(), value]));
  const odd = [...given.keys()].find((name) => name === '' || NO_NAME.test(name));
  if (odd !== undefined) throw new FieldError(`${field}: ${JSON.stringify(odd)} is no name`);
  if (field === 'ssh' && given.get('id')?.includes('='))
    throw new FieldError(`ssh: ${given.get('id')} is no id`, 'write paths = [...] beside it');
  return complete(field, field === 'secret' ? normalSecret(given) : given);
}

/** An entry as options of the command line take it. */
export function formatEntry(field: EntryField, entry: Entry): string {
  if (field === 'ssh') {
    const paths = entry.get('paths');
    const id = entry.get('id') ?? '';
    return paths === undefined ? id : `${id}=${paths}`;
  }
  return [...entry]
    .map(([name, value]) => {
      const text = `${name}=${value}`;
      return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    })
    .join(',');
}

/** Attributes in the order of their names. */
function sortedJson(entry: Entry): Record<string, string> {
  return Object.fromEntries([...entry].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** An entry as `--print` has it. */
export function printedEntry(field: EntryField, entry: Entry): Record<string, unknown> {
  if (field === 'ssh') {
    const paths = entry.get('paths');
    return { id: entry.get('id'), ...(paths === undefined ? {} : { paths: paths.split(',') }) };
  }
  return field === 'secret' ? Object.fromEntries(entry) : sortedJson(entry);
}
