/** Says why a program could not be started in layers. */

import type { Stack } from '../fs/layer/stack.js';
import { locate } from '../fs/layer/stack.js';
import { WiacError } from '../util/errors.js';
import type { MissingFile, Surroundings } from './missing.js';
import { findProgram, isNowhere, missingFiles } from './missing.js';

/** What was started, and how that ended. */
export interface Attempt {
  readonly stack: Stack;
  readonly argv: readonly string[];
  readonly env: ReadonlyMap<string, string>;
  readonly workdir: string;
  /** 127: the kernel, the dynamic linker or a shell did not find a file. */
  readonly code: number;
  /** The kernel's error, if the program could not be started. */
  readonly startError: string | undefined;
  /** Absolute paths that something was mounted at. */
  readonly mounts: readonly string[];
  /** What the layers are called in messages. */
  readonly layers: string;
}

/** A message that names the missing files, with a hint. */
export interface Explanation {
  readonly message: string;
  readonly hint: string;
}

const NOT_FOUND = 127;

/** A shell's script is looked through for names of programs as far as this. */
const MAX_WORDS = 300;

/** Several are named, in the order in which they are looked for. */
const MAX_NAMES = 6;

function list(names: readonly string[]): string {
  const more = names.length - MAX_NAMES;
  const shown = more > 0 ? [...names.slice(0, MAX_NAMES), `${more} more`] : names;
  const last = shown.at(-1) ?? '';
  return shown.length < 2 ? last : `${shown.slice(0, -1).join(', ')} and ${last}`;
}

/**
 * What of a command line may be a program's name. A shell that found nothing says the same of a
 * program that is there and lacks its linker.
 */
function candidates(argv: readonly string[]): string[] {
  const [program = '', ...rest] = argv;
  const words = rest.flatMap((argument) => argument.split(/[\s;&|()<>"'`]+/));
  const names = words.filter((word) => /^[\w./+-]+$/.test(word) && !word.startsWith('-'));
  return [...new Set([program, ...names.slice(0, MAX_WORDS)])];
}

/** A layer's own files are far from a terminal's width; of many the ends are enough. */
const MAX_LAYERS = 4;

/** Layers by their directories, topmost first. */
export function nameLayers(paths: readonly string[]): string {
  const [first] = paths;
  if (paths.length <= MAX_LAYERS)
    return `the layer${paths.length === 1 ? '' : 's'} ${paths.join(':')}`;
  return `the ${paths.length} layers from ${first} down to ${paths.at(-1)}`;
}

/** The files that a program lacks. A damaged file is not reported here: starting the program fails then. */
function lacks(surroundings: Surroundings, path: string): MissingFile[] {
  try {
    return missingFiles(surroundings, path);
  } catch (error) {
    if (error instanceof WiacError) return [];
    throw error;
  }
}

/** A layer directory in the place of its files: its `diff` was meant. */
function forgottenDiff(stack: Stack): string | undefined {
  const layer = stack.find((each) => {
    const hasDiff = locate([each], 'diff')?.stats.isDirectory();
    return hasDiff && ['bin', 'usr', 'lib', 'etc'].every((name) => !locate([each], name));
  });
  return layer && `did you mean ${layer.path}/diff?`;
}

/** A script that was saved on Windows: Linux takes the carriage return for a part of the name. */
function explainLineEnds(script: string, name: string): Explanation {
  return {
    message: `${script} has Windows line ends (CR LF), so that ${JSON.stringify(name)} is looked for`,
    hint: "save it with LF line ends: sed -i 's/\\r$//' FILE, and in git 'FILE text eol=lf' in .gitattributes",
  };
}

/** What the first that lacks something lacks: a library that is missing hides what it needs itself. */
function explainFiles(missing: readonly MissingFile[], layers: string): Explanation | undefined {
  const [first] = missing;
  if (first === undefined) return undefined;
  const { name, neededBy, program } = first;
  if (name.endsWith('\r')) return explainLineEnds(neededBy, name);
  const needed = missing.filter((file) => file.neededBy === neededBy).map((file) => file.name);
  const are = needed.length > 1 ? 'are' : 'is';
  const copied = program.includes('/') ? `${program} ${program}` : `$(which ${program}) /usr/bin/`;
  return {
    message: `${neededBy} needs ${list(needed)}, which ${are} not in ${layers}`,
    hint: `wiac copy --libs <layerdir> ${copied} brings a program of this machine with all it needs`,
  };
}

function explainProgram(attempt: Attempt, surroundings: Surroundings): Explanation | undefined {
  const { argv, env, layers, stack, startError } = attempt;
  const [program = ''] = argv;
  if (startError === undefined || !isNowhere(surroundings, program)) return undefined;
  const where = program.includes('/') ? '' : ` in PATH (${env.get('PATH') ?? ''})`;
  const copy = 'wiac copy --libs <layerdir> <program>... <dst> brings programs with all they need';
  return {
    message: `${program} is not there${where}: it is not in ${layers}`,
    hint: forgottenDiff(stack) ?? copy,
  };
}

/**
 * Why nothing was found.
 * @returns undefined when that was not how it ended, or nothing is missing that one can see
 */
export function explainMissing(attempt: Attempt): Explanation | undefined {
  const { code, argv, env, stack, workdir, layers, mounts } = attempt;
  if (code !== NOT_FOUND) return undefined;
  const surroundings: Surroundings = {
    stack,
    path: env.get('PATH'),
    libraryPath: env.get('LD_LIBRARY_PATH'),
    workdir,
    mounts,
  };
  const nothing = explainProgram(attempt, surroundings);
  if (nothing) return nothing;
  for (const name of candidates(argv)) {
    const program = findProgram(surroundings, name);
    const missing = program === undefined ? [] : lacks(surroundings, program);
    const reason = explainFiles(missing, layers);
    if (reason) return reason;
  }
  return undefined;
}
