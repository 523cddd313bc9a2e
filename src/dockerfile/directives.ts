import type { SourceLocation } from '../util/errors.js';
import { DockerfileError, UnsupportedError } from '../util/errors.js';
import type { Directives } from './ast.js';
import type { SourceLines } from './lines.js';
import { skipSpace, trimEndSpace } from './space.js';

type DirectiveName = keyof Directives;

function isDirectiveName(name: string): name is DirectiveName {
  return name === 'syntax' || name === 'escape' || name === 'check';
}

/** Frontends of Docker's own language: its image, variants of it, and mirrors of both. */
const FRONTEND =
  /^(?:[^\s@]*\/)?dockerfile(?:-upstream)?(?:\.v0)?(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?$/;

/** `# syntax=` names the program that reads the file; wiac reads one language. */
function refuseOtherLanguage(value: string, location: SourceLocation): void {
  const [syntax = ''] = value.split(/\s/);
  if (FRONTEND.test(syntax)) return;
  throw new UnsupportedError(`the file is in the language of ${syntax}`, location, {
    hint: 'wiac reads what docker/dockerfile:1 reads; build this file with BuildKit',
  });
}

/** Splits `# name = value`; undefined when the line is no such thing or its name is unknown. */
function readDirective(line: string) {
  const hash = skipSpace(line, 0);
  if (line.charAt(hash) !== '#') return undefined;
  const start = skipSpace(line, hash + 1);
  const [word = ''] = /^[a-zA-Z][a-zA-Z0-9]*/.exec(line.slice(start)) ?? [];
  const name = word.toLowerCase();
  const equals = skipSpace(line, start + word.length);
  if (!isDirectiveName(name) || line.charAt(equals) !== '=') return undefined;
  const valueStart = skipSpace(line, equals + 1);
  const value = trimEndSpace(line.slice(valueStart));
  return value === '' ? undefined : { name, value, start, valueStart };
}

/**
 * Reads the parser directives: comments of the form `# name=value` at the very top. The first line
 * that is none, be it a comment, ends them; a `#!` line may stand before them. Dockerfile reference, "Parser directives".
 *
 * @returns the directives and how many lines they take
 * @throws DockerfileError for a directive given twice and for an impossible escape character,
 *   UnsupportedError for another language
 */
export function readDirectives(source: SourceLines): { directives: Directives; count: number } {
  const values = new Map<DirectiveName, string>();
  let escapeChar: Directives['escape'] = '\\';
  let count = 0;
  let syntaxLocation: SourceLocation | undefined;
  // A Dockerfile that is executable may begin with an interpreter line.
  if (source.lines[0]?.startsWith('#!')) count = 1;
  for (const line of source.lines.slice(count)) {
    const found = readDirective(line);
    if (found === undefined) break;
    const { name, value, start, valueStart } = found;
    const number = count + 1;
    const at = (offset: number) => ({
      file: source.file,
      line: number,
      column: offset + 1,
      endLine: number,
    });
    if (values.has(name)) {
      throw new DockerfileError(`only one ${name} parser directive can be used`, at(start), {
        hint: `remove this line or the '# ${name}=${values.get(name)}' above`,
      });
    }
    if (name === 'escape') {
      if (value !== '\\' && value !== '`') {
        throw new DockerfileError(`invalid escape character '${value}'`, at(valueStart), {
          hint: 'the escape character is either \\ (default) or `',
        });
      }
      escapeChar = value;
    }
    if (name === 'syntax') syntaxLocation = at(valueStart);
    values.set(name, value);
    count++;
  }
  if (syntaxLocation) refuseOtherLanguage(values.get('syntax') ?? '', syntaxLocation);
  const directives = {
    syntax: values.get('syntax'),
    escape: escapeChar,
    check: values.get('check'),
  };
  return { directives, count };
}
