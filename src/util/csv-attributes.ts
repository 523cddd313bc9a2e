/**
 * Values of options that hold several attributes, as docker buildx writes them: `type=local,dest=out`.
 * They are one CSV record (RFC 4180), so that a field in double quotes may hold commas.
 */
import { UsageError } from './errors.js';

/** Ends with an error that names the option and its value. */
export type Refuse = (problem: string, hint?: string) => never;

/**
 * Errors of an option of the command line.
 * @param text its value, as a message may repeat it
 * @param usual the hint where the problem has none of its own
 */
export function refusing(option: string, text: string, usual?: string): Refuse {
  return (problem, hint = usual) => {
    throw new UsageError(`${option} ${text}: ${problem}`, { hint });
  };
}

/** One field of a value. */
export interface Attribute {
  /** In lower case, without space around it. */
  readonly name: string;
  /** Undefined for a word that stands alone, such as `ro`. */
  readonly value: string | undefined;
  /** The whole field, for messages. */
  readonly field: string;
}

/** A field that ends at a comma or at the end; `""` in a field in quotes is one quote. */
const FIELD = /"([^"]*(?:""[^"]*)*)"(?=,|$)|([^",]*)(?=,|$)/y;

/**
 * Splits one CSV record into its fields.
 * @returns undefined when a quote stands where none may or is not closed
 */
export function splitCsv(record: string): readonly string[] | undefined {
  const fields: string[] = [];
  for (let at = 0; at <= record.length; at = FIELD.lastIndex + 1) {
    FIELD.lastIndex = at;
    const match = FIELD.exec(record);
    if (!match) return undefined;
    const [, quoted, plain = ''] = match;
    fields.push(quoted?.replaceAll('""', '"') ?? plain);
  }
  return fields;
}

/**
 * Reads a value's attributes, in the order in which they were written.
 * @throws what `refuse` throws for a misplaced double quote
 */
export function parseAttributes(text: string, refuse: Refuse): readonly Attribute[] {
  const fields =
    splitCsv(text) ??
    refuse('misplaced double quote', 'put a whole field in quotes: "source=a,b",target=/x');
  return fields.map((field) => {
    const equals = field.indexOf('=');
    const name = equals === -1 ? field : field.slice(0, equals);
    return {
      name: name.trim().toLowerCase(),
      value: equals === -1 ? undefined : field.slice(equals + 1),
      field,
    };
  });
}

/** The values by their names; the last one counts. @param alone what a word without a value means */
export function attributeMap(attributes: readonly Attribute[], alone: string): Map<string, string> {
  return new Map(attributes.map(({ name, value = alone }) => [name, value]));
}

/** Name and value of attributes that all need one. @throws what `refuse` throws */
export function attributePairs(
  attributes: readonly Attribute[],
  refuse: Refuse,
): (readonly [name: string, value: string])[] {
  return attributes.map(({ name, value, field }) =>
    value === undefined || name === ''
      ? refuse(`'${field}' is no NAME=VALUE`)
      : ([name, value] as const),
  );
}

/** Reads what Go's strconv.ParseBool reads; undefined for anything else. */
export function parseBoolean(text: string): boolean | undefined {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  return undefined;
}
