#!/usr/bin/env node
/**
 * What `wiac` begins with: loads main.cjs, and the packages beside it when they are asked for, with
 * the code that V8 compiled in an earlier run. That halves the time until a command does something.
 * The compiled code lies beside the files, for one content of them, one Node and one command (each
 * needs other functions); where nobody may write there, each run compiles anew.
 */
import {
  accessSync,
  constants,
  existsSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';

/** Length of the digest at the beginning of each file, with what is around it. */
const DIGEST_START = 2;
const DIGEST_END = 18;

/** Commands that are run often, or whose speed shows; others compile what they need. */
const COMMANDS = ['build', 'cache', 'copy', 'images', 'plan', 'pull', 'push', 'run', 'why'];

/** Only a cache: what can't be read is compiled again. */
function readCompiled(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

function mayWrite(): boolean {
  try {
    accessSync(__dirname, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Only a cache: what can't be written is compiled again. */
function keepCompiled(script: Script, path: string): void {
  const unfinished = `${path}.${process.pid}`;
  try {
    writeFileSync(unfinished, script.createCachedData());
    renameSync(unfinished, path);
  } catch {
    return;
  }
}

/** The parts of Node that only some runs pay for. */
const v8 = (): typeof import('node:v8') => require('node:v8');
const flags = (): typeof import('../v8-flags.js') => require('../v8-flags.js');

/** What has to be compiled by this run, and where the next one finds it. */
interface Fresh {
  readonly script: Script;
  readonly filename: string;
  readonly path: string;
  /** Compiled code counts for one set of V8's flags: those when the file was loaded. */
  readonly tag: number;
}

let fresh: readonly Fresh[] = [];

/** Keeps what was loaded with the flags that V8 has now. */
function keepFresh(): void {
  const tag = v8().cachedDataVersionTag();
  for (const one of fresh)
    if (one.tag === tag && existsSync(one.filename)) keepCompiled(one.script, one.path);
  fresh = fresh.filter((one) => one.tag !== tag);
}

// At the end, when the functions that the command needs are compiled.
process.on('exit', (code) => {
  if (code !== 0 || fresh.length === 0 || !mayWrite()) return;
  keepFresh();
  if (fresh.length === 0) return;
  // It spoke to a registry.
  flags().restoreWebAssembly();
  keepFresh();
});

/** The value of module.exports of a file beside this one. */
function load(name: string): unknown {
  const filename = join(__dirname, name);
  const source = readFileSync(filename, 'latin1');
  const wrapped = `(function (exports, require, module, __filename, __dirname) {${source}\n})`;
  const command = COMMANDS.find((known) => known === process.argv[2]);
  const digest = source.slice(DIGEST_START, DIGEST_END);
  const variant = [digest, command, process.version, process.arch].join('-');
  const compiled = join(__dirname, `${name}-${variant}.compiled`);
  const cachedData = command === undefined ? undefined : readCompiled(compiled);
  const script = new Script(wrapped, { filename, ...(cachedData && { cachedData }) });
  if (command !== undefined && (!cachedData || script.cachedDataRejected))
    fresh = [...fresh, { script, filename, path: compiled, tag: v8().cachedDataVersionTag() }];
  const module = { exports: {} };
  script.runInThisContext()(module.exports, requireFrom, module, filename, __dirname);
  return module.exports;
}

const loaded = new Map<string, unknown>();

/** require() for those files: their like are loaded as above, each once. */
const requireFrom = Object.assign(
  (name: string): unknown => {
    if (!name.startsWith('./')) return require(name);
    if (!loaded.has(name)) loaded.set(name, load(name.slice('./'.length)));
    return loaded.get(name);
  },
  { resolve: require.resolve },
);

if (process.argv[2] === 'push' || process.argv[2] === 'pull') flags().deferOptimization();
requireFrom('./main.cjs');
