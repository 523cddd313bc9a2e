/**
 * The part of Go's text/template that people use with --format: paths of fields. No functions but
 * `json`, no pipes, no loops; those are what jq is for.
 */
import { UsageError } from '../util/errors.js';

const ACTION = /\{\{\s*(json\s+)?((?:\.[A-Za-z][A-Za-z0-9_]*)+|\.)\s*\}\}/g;

/** A value as text; Go would print structures in a form of its own, which nobody reads back. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}

function fieldOf(value: unknown, path: string, template: string): unknown {
  let current = value;
  for (const name of path.split('.').filter(Boolean)) {
    if (typeof current !== 'object' || current === null)
      throw new UsageError(`--format ${template}: there is nothing at ${path}`);
    if (!Object.hasOwn(current, name))
      throw new UsageError(`--format ${template}: there is no field ${name} at ${path}`, {
        hint: `there are ${Object.keys(current).join(', ')}`,
      });
    current = (current as Record<string, unknown>)[name];
  }
  return current;
}

/**
 * Fills in a template such as `{{.Id}} {{json .Config.Env}}`; `\t` and `\n` mean tab and newline.
 * @throws UsageError for a field that is not there, or more of the template language
 */
export function fillTemplate(template: string, value: unknown): string {
  const rest = template.replace(ACTION, '');
  if (/\{\{|\}\}/.test(rest))
    throw new UsageError(`--format ${template}: not understood`, {
      hint: 'write json, or fields like {{.Id}} and {{json .Config.Env}}',
    });
  const filled = template.replace(ACTION, (_, json: string | undefined, path: string) => {
    const field = fieldOf(value, path, template);
    return json === undefined ? textOf(field) : JSON.stringify(field ?? null);
  });
  return filled.replaceAll('\\t', '\t').replaceAll('\\n', '\n');
}

/** Is a --format a template rather than the name of a format? @throws UsageError when neither */
export function isTemplate(format: string, names: readonly string[]): boolean {
  if (format.includes('{{')) return true;
  if (names.includes(format)) return false;
  throw new UsageError(`--format ${format}: not understood`, {
    hint: `write ${names.join(', ')}, or fields like {{.Id}}`,
  });
}
