/**
 * What the standalone executable begins with: Node with all of wiac in it as assets
 * (packaging/standalone.js). What the launcher reads from dist/ is in memory here, with its compiled
 * code; files that need a path are in a directory that stands in for dist/.
 */
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { getRawAsset } from 'node:sea';
import { Script } from 'node:vm';
import { IsolationError } from '../util/errors.js';
import { inUserNamespace } from '../util/user-namespace.js';
import { keptCommand } from './compiled-code.js';
import { cachePlaces, privateDirectory, temporaryDirectory } from './private-directory.js';

/** The memory of the executable itself. @throws when there is no such asset */
const asset = (name: string): Buffer => Buffer.from(getRawAsset(name) as ArrayBuffer);

function findAsset(name: string): Buffer | undefined {
  try {
    return asset(name);
  } catch {
    return undefined;
  }
}

/** Errors are reported by main.cjs, which is not there yet. */
function orRefuse(make: () => string): string {
  try {
    return make();
  } catch (error) {
    const { exitCode } = new IsolationError('');
    process.stderr.write(
      `wiac: the files that it consists of can't be written anywhere: ${(error as Error).message}\nhint: set XDG_CACHE_HOME or TMPDIR to a directory with room for 3 MB that nobody else may write to, and where programs may be executed\n`,
    );
    process.exit(exitCode);
  }
}

/** Says to the process in a user namespace, which is this program as well, what has been checked outside. */
const CHECKED = 'WIAC_PARTS';

/** Without /proc nothing is said of it: strangers are trusted in no case. */
function isInUserNamespace(): boolean {
  try {
    return inUserNamespace();
  } catch {
    return false;
  }
}

function findDirectory(): string {
  const parts = { ...JSON.parse(asset('parts.json').toString()), read: asset };
  const { env, execPath } = process;
  const uid = process.geteuid?.() ?? 0;
  const asker = { uid, isInUserNamespace: isInUserNamespace(), checked: env[CHECKED] };
  const found = privateDirectory(parts, dirname(execPath), cachePlaces(env, uid), asker);
  if (found !== undefined) return found;
  const temporary = orRefuse(() => temporaryDirectory(parts, tmpdir(), asker));
  process.on('exit', () => rmSync(temporary, { recursive: true, force: true }));
  return temporary;
}

const directory = findDirectory();
process.env[CHECKED] = directory;
const command = keptCommand(process.argv.slice(2));

function load(name: string): unknown {
  // The expression of a function already: V8 uses these bytes where they are.
  const source = asset(name).toString('latin1');
  const cachedData = command === undefined ? undefined : findAsset(`${name}-${command}`);
  const filename = join(directory, name);
  const script = new Script(source, { filename, ...(cachedData && { cachedData }) });
  const module = { exports: {} };
  script.runInThisContext()(module.exports, requireFrom, module, filename, directory);
  return module.exports;
}

/** lmdb's native part, of which there is only the one that this Node and C library can load. */
function loadAddon(name: string): unknown {
  const module = { exports: {} };
  process.dlopen(module, join(directory, name));
  return module.exports;
}

const loaded = new Map<string, unknown>();

/** require() for those files; of packages there is the addon alone. */
function requireFrom(name: string): unknown {
  const addon = /^@lmdb\/[^/]+\/(.*)$/.exec(name)?.[1];
  if (addon === undefined && !name.startsWith('./')) return require(name);
  const found = loaded.get(name) ?? (addon ? loadAddon(addon) : load(name.slice('./'.length)));
  loaded.set(name, found);
  return found;
}

requireFrom('./main.cjs');
