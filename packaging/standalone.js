// wiac in one file: Node, with all of dist/ as assets of a single executable application
// (https://nodejs.org/api/single-executable-applications.html).
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { execa } from 'execa';
import { APART } from '../src/start/bundle.js';
import { compileAhead } from './compile-ahead.js';
import { CACHE, fetchFile } from './fetch-package.js';

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** In Node's executable, where it looks whether it has an application in it. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

/** Programs of binutils, by process.arch. */
const TRIPLETS = { arm64: 'aarch64-linux-gnu', x64: 'x86_64-linux-gnu' };

/** The same program without its symbols: a quarter of what users fetch. */
async function stripped(path, architecture) {
  const output = `${path}-stripped`;
  if (existsSync(output)) return output;
  const unfinished = `${output}.${process.pid}`;
  await execa(`${TRIPLETS[architecture]}-strip`, ['-s', '-o', unfinished, path]);
  renameSync(unfinished, output);
  return output;
}

/** A file of Node's package, of the version in node.json. */
function fetchOfNode(architecture, file) {
  const { version, integrity } = readJson('packaging/node.json');
  const name = `node-linux-${architecture}`;
  return fetchFile({ name, version, integrity: integrity[name] }, file);
}

const fetchNode = (architecture) => fetchOfNode(architecture, 'bin/node');

/** @returns path of the licence of the Node that an executable has in it */
export const fetchNodeLicence = (architecture) => fetchOfNode(architecture, 'LICENSE');

/** lmdb's native part, of the version in the lock file. */
function fetchAddon(architecture) {
  const name = `@lmdb/lmdb-linux-${architecture}`;
  const { version, integrity } = readJson('package-lock.json').packages[`node_modules/${name}`];
  return fetchFile({ name, version, integrity }, 'node.napi.glibc.node');
}

/** What a CommonJS text exports. */
function evaluate(text) {
  const module = { exports: {} };
  new Function('module', 'exports', text)(module, module.exports);
  return module.exports;
}

async function bundle(entry) {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    write: false,
    minifySyntax: true,
    minifyWhitespace: true,
  });
  return outputFiles[0].text;
}

/** Compiled code is kept for one content of all that it is made from, so that packages are the same bytes again. */
async function getCompiled(options, sources) {
  const inputs = [
    ...sources,
    readFileSync(options.node),
    readFileSync('packaging/compile-ahead.js'),
  ];
  const key = sha256(inputs.map(sha256).join()).slice(0, 16);
  const kept = join(CACHE, `compiled-${options.architecture}-${key}`);
  if (!existsSync(kept)) {
    const unfinished = mkdtempSync(join(CACHE, 'compiled-'));
    for (const [name, code] of await compileAhead(options))
      writeFileSync(join(unfinished, name), code);
    renameSync(unfinished, kept);
  }
  return kept;
}

/** Files that need a path (src/start/private-directory.ts), and which of them are programs. */
function getParts(architecture, addon) {
  const dist = [
    `seccomp-${architecture}.bpf`,
    `wiac-sys-${architecture}`,
    'gzip-worker.cjs',
    'libdeflate.wasm',
    'report.html',
    'ui.html',
  ];
  return new Map([
    ...dist.map((name) => [name, join('dist', name)]),
    ['node.napi.glibc.node', addon],
  ]);
}

/** Node's preparation blob: standalone.ts and the assets. @returns its path */
async function makeBlob(node, work, assets) {
  writeFileSync(join(work, 'standalone.cjs'), await bundle('src/start/standalone.ts'));
  const config = {
    // This name is in the blob.
    main: 'standalone.cjs',
    output: 'blob',
    assets: Object.fromEntries(Object.entries(assets).map(([name, path]) => [name, resolve(path)])),
    disableExperimentalSEAWarning: true,
  };
  writeFileSync(join(work, 'sea.json'), JSON.stringify(config));
  await execa(resolve(node), ['--experimental-sea-config', 'sea.json'], { cwd: work });
  return join(work, 'blob');
}

/**
 * Makes the executable of dist/ for a processor.
 * @param to where it is written
 * @param isCompiled with compiled code; without, each command compiles what it needs
 * @returns the files that need a path: the name of their directory, and where they are, by name
 */
export async function makeStandalone(architecture, to, isCompiled) {
  const node = await fetchNode(architecture);
  const addon = await stripped(await fetchAddon(architecture), architecture);
  const work = mkdtempSync(join(CACHE, 'work-'));
  try {
    const parts = getParts(architecture, addon);
    const files = [...parts].map(([name]) => ({
      name,
      isProgram: name.startsWith('wiac-sys'),
    }));
    const digest = sha256(
      [...parts].map(([name, path]) => [name, sha256(readFileSync(path))]).join(),
    );
    const directory = `parts-${digest.slice(0, 16)}`;
    const assets = Object.fromEntries(parts);
    const add = (name, content) => {
      assets[name] = join(work, name);
      writeFileSync(assets[name], content, 'latin1');
    };
    add('parts.json', JSON.stringify({ directory, files }));
    const code = await bundle('src/start/compiled-code.ts');
    const { asFunction } = evaluate(code);
    const bundles = ['main', ...APART].map((name) => `${name}.cjs`);
    for (const name of bundles) add(name, asFunction(readFileSync(join('dist', name), 'latin1')));
    if (isCompiled) {
      const kept = await getCompiled(
        { architecture, node, addon, wrapper: code },
        bundles.map((name) => readFileSync(join('dist', name))),
      );
      // main.cjs-DIGEST-build-v24.21.0-x64.compiled; here are one content and one Node.
      for (const name of readdirSync(kept)) {
        const [, file, command] = /^(.*?\.cjs)-[0-9a-f]{16}-(.*)-v[^-]*-[^-]*\.compiled$/.exec(
          name,
        );
        assets[`${file}-${command}`] = join(kept, name);
      }
    }
    const own = architecture === process.arch ? node : await fetchNode(process.arch);
    const blob = await makeBlob(own, work, assets);
    const unfinished = join(work, 'wiac');
    copyFileSync(await stripped(node, architecture), unfinished);
    // It says on standard error that names of sections are gone: strip took them.
    const words = [unfinished, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', FUSE];
    await execa('postject', words, { preferLocal: true });
    chmodSync(unfinished, 0o755);
    renameSync(unfinished, to);
    return { directory, files: parts };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
