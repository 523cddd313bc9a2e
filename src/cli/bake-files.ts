/** Finds and reads bake files and compose files. */
import { readlinkSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import type { DefinitionFile, OtherFiles } from '../bake/load-compose.js';
import { UsageError } from '../util/errors.js';
import { hintOf } from '../util/file-trouble.js';
import { statNamed } from '../util/stat-named.js';
import { readText } from './given-text.js';

/** In the order in which they are merged: later ones count before earlier ones. */
export const BAKE_FILES = [
  ...['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml'],
  ...['docker-bake.json', 'docker-bake.hcl'],
  ...['docker-bake.override.json', 'docker-bake.override.hcl'],
];

/** The first that is there. */
const COMPOSE_FILES = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml'];

function readFile(name: string): DefinitionFile {
  try {
    const text = readText(name === '-' ? 0 : name);
    return { name: name === '-' ? 'standard input' : name, text };
  } catch (cause) {
    throw new UsageError(`--file ${name}: ${(cause as Error).message}`, {
      cause,
      hint: /^(https?|git|ssh):|^git@/.test(name)
        ? 'give it before the targets: wiac bake URL [TARGET...]'
        : hintOf(cause),
    });
  }
}

function isFile(path: string): boolean {
  return statNamed(path)?.isFile() ?? false;
}

/** The files of a definition, and what reads those that they name. */
export interface FoundFiles {
  readonly files: readonly DefinitionFile[];
  readonly others: OtherFiles;
}

/** Files of -f, else those of the working directory. @throws UsageError */
export function readBakeFiles(given: readonly string[] | undefined): DefinitionFile[] {
  const names = given ?? BAKE_FILES.filter(isFile);
  if (names.length > 0) return names.map(readFile);
  throw new UsageError('there is no bake file here', {
    hint: `name it with -f FILE, or write ${BAKE_FILES.slice(-3, -2)[0]}`,
  });
}

function findComposeFiles(directory: string): string[] {
  const name = COMPOSE_FILES.find((each) => isFile(join(directory, each)));
  if (name === undefined) {
    const above = dirname(directory);
    return above === directory ? [] : findComposeFiles(above);
  }
  const stem = name.replace(/\.ya?ml$/, '');
  const overrides = ['yml', 'yaml'].map((end) => join(directory, `${stem}.override.${end}`));
  return [join(directory, name), ...overrides.filter(isFile)];
}

/** Files of -f or $COMPOSE_FILE, else those of the working directory or one above. @throws UsageError */
export function readComposeFiles(
  given: readonly string[] | undefined,
  { COMPOSE_FILE, COMPOSE_PATH_SEPARATOR }: NodeJS.ProcessEnv,
): { readonly files: DefinitionFile[]; readonly directory: string } {
  const fromEnvironment = COMPOSE_FILE?.split(COMPOSE_PATH_SEPARATOR || ':').filter(Boolean);
  const names = given ?? fromEnvironment ?? findComposeFiles(process.cwd());
  const [first] = names;
  if (first === undefined)
    throw new UsageError('there is no compose file here, nor in a directory above', {
      hint: 'name it with -f FILE',
    });
  return {
    files: names.map(readFile),
    directory: first === '-' ? process.cwd() : dirname(resolve(first)),
  };
}

/**
 * What compose files include and extend: regular files alone.
 * @param directory where their paths begin
 * @param requireReadable throws when a path may not be read
 */
export function otherFiles(directory: string, requireReadable: (path: string) => void): OtherFiles {
  const read = (name: string): DefinitionFile | undefined => {
    const path = resolve(directory, name);
    // As compose has it, for no variables at all.
    if (path === '/dev/null') return { name, text: '' };
    if (!isFile(path)) return undefined;
    requireReadable(path);
    return { name, text: readFile(path).text };
  };
  return {
    readIfThere: read,
    read: (name) => {
      const file = read(name);
      if (!file) throw new UsageError(`a compose file names ${name}: there is no such file`);
      return file;
    },
  };
}

/** `.env` of a directory, if it is there. */
export function readDotEnv(directory: string): DefinitionFile | undefined {
  const path = join(directory, '.env');
  return isFile(path) ? readFile(path) : undefined;
}

/** What a symbolic link says; undefined for anything else. */
function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** As many as the kernel follows. */
const MAX_LINKS = 40;

/**
 * A path without symbolic links, as the kernel follows it: also a link to what is not there yet, and `..` after
 * a link.
 */
export function realPath(path: string): string {
  let real = isAbsolute(path) ? '/' : process.cwd();
  const left = path.split('/');
  let links = 0;
  for (let part = left.shift(); part !== undefined; part = left.shift()) {
    // `..` leads out of what has no links any more.
    const next = join(real, part);
    const target = part === '..' ? undefined : readLink(next);
    if (target !== undefined && ++links > MAX_LINKS)
      throw new UsageError(`${path}: too many symbolic links`);
    if (target === undefined) real = next;
    else {
      if (isAbsolute(target)) real = '/';
      left.unshift(...target.split('/'));
    }
  }
  return real;
}
