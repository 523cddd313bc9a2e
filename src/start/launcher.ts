/**
 * What `wiac` begins with: loads main.cjs, and the packages beside it when they are asked for, with
 * the code that V8 compiled in an earlier run: 69 ms of a cached build that takes 85 with it.
 * The compiled code lies beside the files, for one content of them, one Node and one command (each
 * needs other functions); where that place is not writable, each run compiles anew.
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
import { asFunction, compiledName, keptCommand } from './compiled-code.js';

// launch.sh keeps it from Node (src/oci/registry/extra-certificates.ts); programs that wiac starts
// are to have it.
const { WIAC_UNREAD_CA_CERTS: unread } = process.env;
if (unread) process.env.NODE_EXTRA_CA_CERTS ??= unread;

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

/** What has to be compiled by this run, and where the next one finds it. */
interface Fresh {
  readonly script: Script;
  readonly filename: string;
  readonly path: string;
}

let fresh: readonly Fresh[] = [];

// At the end, when the functions that the command needs are compiled.
process.on('exit', (code) => {
  if (code !== 0 || fresh.length === 0 || !mayWrite()) return;
  for (const { script, filename, path } of fresh)
    if (existsSync(filename)) keepCompiled(script, path);
});

/** The value of module.exports of a file beside this one. */
function load(name: string): unknown {
  const filename = join(__dirname, name);
  const source = readFileSync(filename, 'latin1');
  const command = keptCommand(process.argv.slice(2));
  const compiled = join(__dirname, compiledName(name, source, String(command)));
  const cachedData = command === undefined ? undefined : readCompiled(compiled);
  const script = new Script(asFunction(source), { filename, ...(cachedData && { cachedData }) });
  if (command !== undefined && (!cachedData || script.cachedDataRejected))
    fresh = [...fresh, { script, filename, path: compiled }];
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

requireFrom('./main.cjs');
