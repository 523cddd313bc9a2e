/** `# check=...`: Dockerfile reference, "check"; the build argument has the same syntax. */
import type { Dockerfile } from '../dockerfile/ast.js';
import { DockerfileError, type SourceLocation, UsageError } from '../util/errors.js';
import { suggest } from '../util/suggest.js';
import { isExperimental, type RuleName } from './rules.js';

/** Which rules a Dockerfile or a user wants. Names of rules that do not exist do no harm. */
export interface CheckDirective {
  /** Rules that are off; `all`: every one that is not experimental. */
  readonly skip: 'all' | ReadonlySet<string>;
  /** Experimental rules that are on. */
  readonly experimental: 'all' | ReadonlySet<string>;
  /** A warning makes the build fail. */
  readonly error: boolean;
}

/** The build argument that takes the place of the directive. */
export const CHECK_ARGUMENT = 'BUILDKIT_DOCKERFILE_CHECK';

const OPTIONS = ['skip', 'error', 'experimental'] as const;
type Option = (typeof OPTIONS)[number];

function readNames(value: string): 'all' | ReadonlySet<string> {
  return value === 'all' ? 'all' : new Set(value.split(',').map((name) => name.trim()));
}

function readBoolean(value: string): boolean | undefined {
  if (/^(1|t|T|TRUE|true|True)$/.test(value)) return true;
  return /^(0|f|F|FALSE|false|False)$/.test(value) ? false : undefined;
}

/**
 * Reads `skip=Rule1,Rule2;error=true;experimental=all`, without the `check=` in front.
 *
 * @throws UsageError for options that do not exist and values that mean nothing
 */
export function parseCheckDirective(text: string): CheckDirective {
  const values = new Map<Option, string>();
  for (const part of text.trim() === '' ? [] : text.split(';')) {
    const equals = part.indexOf('=');
    const name = part.slice(0, equals < 0 ? undefined : equals).trim();
    const option = OPTIONS.find((item) => item === name);
    if (equals < 0 || option === undefined) {
      const near = suggest(name, OPTIONS);
      throw new UsageError(`'${part.trim()}' is no option of check`, {
        hint: near
          ? `write ${near}=VALUE`
          : 'write skip=Rule1,Rule2 or skip=all, error=true, experimental=Rule, with ; in between',
      });
    }
    values.set(option, part.slice(equals + 1).trim());
  }
  const error = readBoolean(values.get('error') ?? 'false');
  if (error === undefined) {
    throw new UsageError(`'${values.get('error')}' of check's option error is not a boolean`, {
      hint: 'write error=true or error=false',
    });
  }
  const names = (option: Option) => {
    const value = values.get(option);
    return value === undefined ? new Set<string>() : readNames(value);
  };
  return { skip: names('skip'), experimental: names('experimental'), error };
}

/** The directive's line: one of the comments at the top, or else the parser had not found it. */
function directiveLocation({ file, lines }: Dockerfile): SourceLocation {
  const index = Math.max(
    0,
    lines.findIndex((line) => /^\s*#\s*check\s*=/i.test(line)),
  );
  const column = (lines[index] ?? '').search(/check/i) + 1;
  return { file, line: index + 1, column: Math.max(1, column), endLine: index + 1 };
}

/**
 * What the Dockerfile's directive says, or the build argument instead of it if it is given.
 *
 * @throws DockerfileError when the directive means nothing, UsageError when the argument does
 */
export function getDirective(
  dockerfile: Dockerfile,
  buildArgs: Readonly<Record<string, string>>,
): CheckDirective {
  if (Object.hasOwn(buildArgs, CHECK_ARGUMENT)) {
    return parseCheckDirective(buildArgs[CHECK_ARGUMENT] ?? '');
  }
  try {
    return parseCheckDirective(dockerfile.directives.check ?? '');
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new DockerfileError(error.message, directiveLocation(dockerfile), { hint: error.hint });
  }
}

/** Whether a rule's findings are wanted. */
export function isWanted(rule: RuleName, { skip, experimental }: CheckDirective): boolean {
  if (isExperimental(rule)) return experimental === 'all' || experimental.has(rule);
  return skip !== 'all' && !skip.has(rule);
}

/**
 * `# check=skip=Rule1,Rule2` right above an instruction is about that instruction alone.
 *
 * @returns does such a comment leave a rule out for what is found at a line?
 */
export function localSkips({
  comments,
  instructions,
}: Pick<Dockerfile, 'comments' | 'instructions'>): (rule: string, line: number) => boolean {
  const above = new Map<number, 'all' | ReadonlySet<string>>();
  for (const { line, text } of comments) {
    const lines = text.split('\n');
    for (const comment of lines) {
      const names = /^check\s*=\s*skip\s*=\s*(.*)$/i.exec(comment)?.[1];
      if (names !== undefined) above.set(line + lines.length, readNames(names));
    }
  }
  const skips = new Map<number, 'all' | ReadonlySet<string>>();
  if (above.size > 0) {
    for (const { location } of instructions) {
      const names = above.get(location.line);
      if (names === undefined) continue;
      for (let line = location.line; line <= location.endLine; line++) skips.set(line, names);
    }
  }
  return (rule, line) => {
    const names = skips.get(line);
    return names !== undefined && (names === 'all' || names.has(rule));
  };
}
