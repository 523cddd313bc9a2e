#!/usr/bin/env node
/**
 * What `wiac` begins with: loads main.cjs with the code that V8 compiled in an earlier run, which
 * halves the time until a command does something. The compiled code lies beside main.cjs, for one
 * content of that and one Node; where nobody may write there, each run compiles anew.
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

/** Length of the digest at the beginning of main.cjs, with what is around it. */
const DIGEST_START = 2;
const DIGEST_END = 18;

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

const filename = join(__dirname, 'main.cjs');
const source = readFileSync(filename, 'latin1');
const digest = source.slice(DIGEST_START, DIGEST_END);
const compiled = join(__dirname, `main-${digest}-${process.version}-${process.arch}.compiled`);
const cachedData = readCompiled(compiled);
const wrapped = `(function (exports, require, module, __filename, __dirname) {${source}\n})`;
const script = new Script(wrapped, { filename, ...(cachedData && { cachedData }) });
if (process.argv[2] === 'build' && (!cachedData || script.cachedDataRejected) && mayWrite()) {
  // At the end, when the functions that a build needs are compiled.
  process.on('exit', (code) => {
    if (code === 0 && existsSync(filename)) keepCompiled(script, compiled);
  });
}
const loaded = { exports: {} };
script.runInThisContext()(loaded.exports, require, loaded, filename, __dirname);
