/** The variables of a program that `wiac run` starts: -e and --env-file over those of its image. */
import { getMessage } from '../oci/image-error.js';
import { UsageError } from '../util/errors.js';
import { hintOf } from '../util/file-trouble.js';
import { readText } from './given-text.js';

/** A change of one variable. */
type Change = readonly [name: string, value: string | undefined];

function split(item: string): [name: string, value: string | undefined] {
  const at = item.indexOf('=');
  return at === -1 ? [item, undefined] : [item.slice(0, at), item.slice(at + 1)];
}

/**
 * A file of variables as docker reads it: `NAME=VALUE` and `NAME` (from the environment), `#` begins
 * a comment at the beginning of a line, and values are taken as they are, with quotes and blanks.
 */
function readEnvFile(path: string, environment: NodeJS.ProcessEnv): Change[] {
  const refuse = (problem: string, hint = 'a line is NAME=VALUE, NAME or # ...'): never => {
    throw new UsageError(`--env-file ${path}: ${problem}`, { hint });
  };
  let text: string;
  try {
    text = readText(path);
  } catch (error) {
    return refuse(getMessage(error), hintOf(error));
  }
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  return lines.flatMap((line, index): Change[] => {
    const written = line.trimStart();
    if (written === '' || written.startsWith('#')) return [];
    const [name, value] = split(written);
    if (name === '') return refuse(`line ${index + 1} has no name`);
    if (/\s/.test(name)) return refuse(`line ${index + 1}: the name ${name} has a blank in it`);
    if (value !== undefined) return [[name, value]];
    // One that is not set anywhere changes nothing; -e takes it away.
    return environment[name] === undefined ? [] : [[name, environment[name]]];
  });
}

function readEnv(item: string, environment: NodeJS.ProcessEnv): Change {
  const [name, value] = split(item);
  if (name === '')
    throw new UsageError(`--env ${item}: the name is missing`, { hint: 'write --env NAME=VALUE' });
  return [name, value ?? environment[name]];
}

/**
 * @param base the variables of the image
 * @param environment that of this process
 * @throws UsageError for what names no variable, and for a file that can't be read
 */
export function runEnvironment(
  base: ReadonlyMap<string, string>,
  options: { readonly env: readonly string[]; readonly envFile: readonly string[] },
  environment: NodeJS.ProcessEnv,
): Map<string, string> {
  const result = new Map(base);
  const changes = [
    ...options.envFile.flatMap((path) => readEnvFile(path, environment)),
    ...options.env.map((item) => readEnv(item, environment)),
  ];
  for (const [name, value] of changes) {
    if (value === undefined) result.delete(name);
    else result.set(name, value);
  }
  return result;
}
