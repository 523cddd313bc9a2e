/** Files of variables as compose has them: `.env`. */
import { BakeFileError } from '../util/errors.js';
import type { LookUp } from './interpolate.js';
import { InterpolationError, interpolate } from './interpolate.js';

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

const NAME = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*(?:=|:(?=\s))[ \t]*/;
const SINGLE = /^'((?:[^'\\]|\\.)*)'[ \t]*(?:#[^\n]*)?(?:\n|$)/s;
const DOUBLE = /^"((?:[^"\\]|\\.)*)"[ \t]*(?:#[^\n]*)?(?:\n|$)/s;

/**
 * Reads the variables; those of the environment count before them where one is asked for.
 * @throws BakeFileError
 */
export function parseDotEnv(file: string, text: string, environment: LookUp): Map<string, string> {
  const variables = new Map<string, string>();
  const lookUp: LookUp = (name) => environment(name) ?? variables.get(name);
  const whole = text.replaceAll('\r\n', '\n').replace(/^\uFEFF/, '');
  let at = 0;
  const fail = (message: string): never => {
    const line = whole.slice(0, at).split('\n').length;
    throw new BakeFileError(message, { file, line, column: 1, endLine: line });
  };
  const expand = (value: string): string => {
    try {
      return interpolate(value, lookUp);
    } catch (error) {
      if (error instanceof InterpolationError) return fail(error.message);
      throw error;
    }
  };
  while (at < whole.length) {
    const rest = whole.slice(at);
    const [blank] = /^(?:[ \t]*(?:#[^\n]*)?\n)+|^[ \t]*(?:#[^\n]*)?$/.exec(rest) ?? [];
    if (blank !== undefined && blank !== '') {
      at += blank.length;
      continue;
    }
    const [begin, name = ''] = NAME.exec(rest) ?? [];
    if (begin === undefined) return fail('that is no NAME=VALUE');
    const value = rest.slice(begin.length);
    const single = SINGLE.exec(value);
    const double = DOUBLE.exec(value);
    if (single) variables.set(name, single[1]?.replaceAll("\\'", "'") ?? '');
    else if (double) {
      const raw = expand(double[1] ?? '');
      variables.set(
        name,
        raw.replace(/\\(.)/gs, (_, char: string) => ESCAPES[char] ?? char),
      );
    } else if (/^["']/.test(value)) return fail('a quote is not closed');
    else {
      const [line = ''] = value.split('\n', 1);
      variables.set(name, expand(line.replace(/(^|\s)#.*$/, '').trimEnd()));
    }
    at += begin.length + (single?.[0] ?? double?.[0] ?? `${value.split('\n', 1)[0]}\n`).length;
  }
  return variables;
}
