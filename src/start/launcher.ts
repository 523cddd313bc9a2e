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
import { getHeapCodeStatistics } from 'node:v8';
import { Script } from 'node:vm';

// launch.sh keeps it from Node (src/oci/registry/extra-certificates.ts); programs that wiac starts
// are to have it.
const { WIAC_UNREAD_CA_CERTS: unread } = process.env;
if (unread) process.env.NODE_EXTRA_CA_CERTS ??= unread;

/** Length of the digest at the beginning of each file, with what is around it. */
const DIGEST_START = 2;
const DIGEST_END = 18;

/** Commands that are run often, or whose speed shows; others compile what they need. */
const COMMANDS = [
  '--version',
  'build',
  'cache',
  'copy',
  'images',
  'plan',
  'pull',
  'push',
  'run',
  'why',
];

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

/** Bytes of all code that V8 has compiled so far, or read. */
function compiledBytes(): number {
  return getHeapCodeStatistics().bytecode_and_metadata_size;
}

/**
 * A run that has compiled as much as it read found little: the one that left it, `wiac build --help` say, did
 * not get far. It would cost every cached build 20 ms, for as long as this wiac is installed.
 */
const LITTLE = 2;

/** What has to be compiled by this run, and where the next one finds it. */
interface Fresh {
  readonly script: Script;
  readonly filename: string;
  readonly path: string;
  /** What had been compiled, or read, when it began; 0: nothing was read. */
  readonly before: number;
}

let fresh: readonly Fresh[] = [];

// At the end, when the functions that the command needs are compiled.
process.on('exit', (code) => {
  if (code !== 0 || fresh.length === 0 || !mayWrite()) return;
  const now = compiledBytes();
  for (const { script, filename, path, before } of fresh)
    if (now > before * LITTLE && existsSync(filename)) keepCompiled(script, path);
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
  if (command !== undefined) {
    const isRead = cachedData !== undefined && !script.cachedDataRejected;
    fresh = [...fresh, { script, filename, path: compiled, before: isRead ? compiledBytes() : 0 }];
  }
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
