/**
 * The part of Go's text/template that people use with --format: paths of fields, `index` and
 * `json`. No pipes, no loops; those are what jq is for.
 */
import { UsageError } from '../util/errors.js';

const ACTION = /\{\{\s*(.*?)\s*\}\}/g;
const PATH = String.raw`(?:\.[A-Za-z][A-Za-z0-9_]*)+|\.`;
const KEYS = String.raw`(?:\s+(?:"[^"]*"|\d+))+`;
const EXPRESSION = new RegExp(
  String.raw`^(json\s+)?(?:(${PATH})|index\s+(${PATH})(${KEYS})|\(\s*index\s+(${PATH})(${KEYS})\s*\)(${PATH})?)$`,
);

/** How templates are filled in. */
export interface TemplateOptions {
  /** JSON with line breaks, as buildx has it. */
  readonly pretty?: boolean;
  /** Members are found as Go names them, whose JSON has others: `.MediaType` is mediaType. */
  readonly anyCase?: boolean;
}

/** A value as text; structures are JSON, not Go's own form, so that programs can read them. */
function getText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}

function getMember(value: object, name: string, anyCase: boolean): string | undefined {
  if (Object.hasOwn(value, name)) return name;
  const plain = (text: string) => text.replaceAll('_', '').toLowerCase();
  return anyCase ? Object.keys(value).find((key) => plain(key) === plain(name)) : undefined;
}

function getField(
  value: unknown,
  names: readonly string[],
  where: string,
  template: string,
  anyCase: boolean,
): unknown {
  let current = value;
  for (const name of names) {
    if (typeof current !== 'object' || current === null)
      throw new UsageError(`--format ${template}: there is nothing at ${where}`);
    const member = getMember(current, name, anyCase);
    if (member === undefined)
      throw new UsageError(`--format ${template}: there is no field ${name} at ${where}`, {
        hint: `there are ${Object.keys(current).join(', ')}`,
      });
    current = (current as Record<string, unknown>)[member];
  }
  return current;
}

const getNames = (path = '') => path.split('.').filter(Boolean);

/** The keys of `index`: texts in quotes, or numbers. */
function keysFor(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"|(\d+)/g)].map(([, quoted, digits]) => quoted ?? digits ?? '');
}

function notUnderstood(template: string): UsageError {
  return new UsageError(`--format ${template}: not understood`, {
    hint: 'write json, or fields like {{.Id}} and {{json .Config.Env}}',
  });
}

/** What stands outside of actions. */
function literal(text: string, template: string): string {
  if (/\{\{|\}\}/.test(text)) throw notUnderstood(template);
  return text.replaceAll('\\t', '\t').replaceAll('\\n', '\n');
}

/**
 * Fills in a template such as `{{.Id}} {{json .Config.Env}}`; `\t` and `\n` mean tab and newline.
 * @throws UsageError for a field that is not there, or more of the template language
 */
export function fillTemplate(
  template: string,
  value: unknown,
  { pretty = false, anyCase = false }: TemplateOptions = {},
): string {
  const fill = (expression: string) => {
    const found = EXPRESSION.exec(expression);
    if (!found) throw notUnderstood(template);
    const [, json, path, bare, bareKeys = '', inner, innerKeys = '', rest] = found;
    const start = getNames(path ?? bare ?? inner);
    const names = [...start, ...keysFor(bareKeys + innerKeys), ...getNames(rest)];
    const field = getField(value, names, expression.replace(/^json\s+/, ''), template, anyCase);
    if (json === undefined) return getText(field);
    return JSON.stringify(field ?? null, null, pretty ? 2 : undefined);
  };
  // In turn the text between actions, and the content of an action.
  const pieces = template.split(ACTION);
  return pieces
    .map((piece, at) => (at % 2 === 1 ? fill(piece) : literal(piece, template)))
    .join('');
}

/** Is a --format a template rather than the name of a format? @throws UsageError when neither */
export function isTemplate(format: string, names: readonly string[]): boolean {
  if (format.includes('{{')) return true;
  if (names.includes(format)) return false;
  throw new UsageError(`--format ${format}: not understood`, {
    hint: `write ${names.join(', ')}, or fields like {{.Id}}`,
  });
}
