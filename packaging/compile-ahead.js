// Compiled code for a standalone executable: what V8 leaves of commands that are run with the same Node.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';

/** How programs for another processor are run, by process.arch: qemu, with Debian's libraries for them. */
const EMULATORS = {
  arm64: ['qemu-aarch64', '-L', '/usr/aarch64-linux-gnu'],
  x64: ['qemu-x86_64', '-L', '/usr/x86_64-linux-gnu'],
};

/** With these V8 leaves the same bytes, nearly each time: what waits for the disk is done in one order or another. */
const PREDICTABLE = ['--predictable', '--hash-seed=1', '--random-seed=1', '--no-flush-bytecode'];

/** A name that is the same wherever this is done: it becomes a part of the compiled code. */
const SCRIPT = ['--preserve-symlinks-main', '--', '/proc/self/cwd/dist/wiac.cjs'];

/** Where compiled code says with which flags it was made (V8's SerializedCodeData). */
const FLAG_HASH = { at: 12, end: 16 };

/** What runs a program for a processor, before its path. */
export function emulatorFor(architecture) {
  return architecture === process.arch ? [] : EMULATORS[architecture];
}

/** A context whose step needs nothing but this machine's kernel. */
function writeContext(directory) {
  mkdirSync(directory);
  const program = join(directory, 'true');
  const { error, status, stderr } = spawnSync('cc', ['-static', '-s', '-xc', '-o', program, '-'], {
    input: 'int main(void) { return 0; }\n',
  });
  if (status !== 0) throw error ?? new Error(`cc: ${stderr}`);
  writeFileSync(join(directory, 'Dockerfile'), 'FROM scratch\nCOPY true /true\nRUN ["/true"]\n');
}

/**
 * A copy of dist/ whose programs this machine can run. Where Node is emulated, wiac-sys is not: the
 * kernel executes no program for another processor, and both speak the same protocol.
 */
function copyDist(to, architecture) {
  cpSync('dist', to, { recursive: true, filter: (path) => !/\.(map|compiled)$|types$/.test(path) });
  if (architecture === process.arch) return;
  for (const [own, other] of [
    [`wiac-sys-${process.arch}`, `wiac-sys-${architecture}`],
    [`seccomp-${process.arch}.bpf`, `seccomp-${architecture}.bpf`],
  ])
    cpSync(join('dist', own), join(to, other));
}

/**
 * Runs each command whose code is kept (src/start/compiled-code.ts), the usual case of it. Of builds that is one
 * that finds all its steps: 8 ms of 65, which one that runs steps has to compile, 14 of 130.
 */
async function runCommands(wiac, work) {
  writeContext(join(work, 'context'));
  const [context, layout] = ['context', 'oci-layout://layout:image'];
  const build = ['build', '-q', '-t', 'image', context];
  await wiac(...build);
  for (const name of readdirSync(join(work, 'dist')))
    if (name.endsWith('.compiled')) rmSync(join(work, 'dist', name));
  for (const words of [
    ['--version'],
    build,
    ['run', 'image', '/true'],
    ['images'],
    ['cache', 'ls'],
    ['plan', context],
    ['why', context],
    ['push', 'image', layout],
    ['pull', layout],
    ['copy', context, 'context/true', '/copy'],
  ])
    await wiac(...words);
}

/** What Node is to run for each file: is it code that this Node takes without the flags? */
const CHECK = `
const { readdirSync, readFileSync } = require('node:fs');
for (const name of readdirSync('dist').filter((file) => file.endsWith('.compiled'))) {
  const source = readFileSync('dist/' + /^.*?\\.cjs/.exec(name)[0], 'latin1');
  const { asFunction } = require('./compiled-code.cjs');
  const script = new vm.Script(asFunction(source), { cachedData: readFileSync('dist/' + name) });
  if (script.cachedDataRejected) throw new Error('Node does not take ' + name);
}
`;

/**
 * @param node a Node for this processor
 * @param addon lmdb's native part for it
 * @param wrapper src/start/compiled-code.ts as CommonJS
 * @returns the content of files that standalone.ts looks for, by name
 */
export async function compileAhead({ architecture, node, addon, wrapper }) {
  const work = mkdtempSync(join(tmpdir(), 'wiac-packaging-'));
  const [program, ...before] = [...emulatorFor(architecture), resolve(node)];
  const run = (...args) =>
    execa(program, [...before, ...args], {
      cwd: work,
      env: { WIAC_ROOT: join(work, 'store'), NODE_OPTIONS: '', NODE_EXTRA_CA_CERTS: '' },
    });
  try {
    const dist = join(work, 'dist');
    copyDist(dist, architecture);
    const addons = join(work, `node_modules/@lmdb/lmdb-linux-${architecture}`);
    mkdirSync(addons, { recursive: true });
    cpSync(addon, join(addons, 'node.napi.glibc.node'));
    await runCommands((...words) => run(...PREDICTABLE, ...SCRIPT, ...words), work);
    const usual = await run('-p', "new vm.Script('').createCachedData().toString('base64')");
    const flags = Buffer.from(usual.stdout, 'base64').subarray(FLAG_HASH.at, FLAG_HASH.end);
    const names = readdirSync(dist).filter((name) => name.endsWith('.compiled'));
    const files = names.sort().map((name) => {
      const code = readFileSync(join(dist, name));
      code.set(flags, FLAG_HASH.at);
      writeFileSync(join(dist, name), code);
      return [name, code];
    });
    writeFileSync(join(work, 'compiled-code.cjs'), wrapper);
    await run('-e', CHECK);
    return new Map(files);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
