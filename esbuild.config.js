// Bundles src/ to dist/. All of wiac is one file, main.cjs, because Node 20 takes most of a
// millisecond to find and link each further one; wiac.cjs loads it together with its compiled code
// (src/cli/start.ts). Packages that most commands do without are files of their own, read when the
// first module that imports them runs, and loaded in the same way. gzip-worker.cjs is what threads
// run.
// With --checkpoints to dist-checkpoints/, for tests: the same with the places where the crash test
// kills it (src/util/checkpoint.ts), and builds without a command line (test/support/in-process.ts).
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';

const checkpoints = process.argv.includes('--checkpoints');
const outdir = checkpoints ? 'dist-checkpoints' : 'dist';

const common = {
  outdir,
  bundle: true,
  platform: 'node',
  target: 'node20',
  sourcemap: true,
  write: false,
  // src/store/index/native-addon.ts looks for lmdb where it is installed.
  logOverride: { 'require-resolve-not-external': 'silent' },
  minifySyntax: true,
  minifyWhitespace: true,
};

const APART = ['execa', 'fast-glob', 'libdeflate', 'log-update', 'tar-stream', 'undici'];

/** What loads a package from its own file. */
function loadOf(path) {
  if (path === 'lmdb') return "wiacRequire('lmdb')";
  if (path.startsWith('undici/')) return `wiacRequire('./undici-parts.cjs')['${path}']`;
  return `wiacRequire('./${path}.cjs')`;
}

/** Replaces modules by others: what is said of them here is CommonJS. */
function replaced(name, filter, contentsOf, importer = /./) {
  return {
    name,
    setup({ onResolve, onLoad }) {
      onResolve({ filter }, ({ path, importer: by }) =>
        importer.test(by) ? { path, namespace: name } : undefined,
      );
      onLoad({ filter: /./, namespace: name }, ({ path }) => ({
        contents: `module.exports = ${contentsOf(path)};`,
        resolveDir: '.',
      }));
    },
  };
}

const apart = replaced('apart', new RegExp(`^(${APART.join('|')})$|^undici/lib/`), loadOf);

/** The test's bundle is an ES module, and lmdb as part of one does not know where it is. */
const lmdbApart = replaced('lmdb-apart', /^lmdb$/, loadOf);

/**
 * lmdb as part of main.cjs, so that its compiled code is kept as well; but its native part is looked
 * for where it nearly always is (src/store/index/native-addon.ts), and commander and lmdb load no more of
 * Node than they use: child_process alone, which brings the network, takes 8 ms.
 */
const lean = [
  replaced('lmdb', /^lmdb$/, () => "require('./node_modules/lmdb/dist/index.cjs')"),
  replaced(
    'native-addon',
    /^node-gyp-build-optional-packages$/,
    () => "require('./src/store/index/native-addon.ts').loadAddon",
  ),
  replaced(
    'child-process',
    /^(node:)?child_process$/,
    () => "{ spawn: (...args) => wiacRequire('node:child_process').spawn(...args) }",
    /node_modules\/commander\//,
  ),
  replaced(
    'node-module',
    /^(node:)?module$/,
    () => '{ createRequire: () => wiacRequire }',
    /node_modules\/(lmdb|msgpackr)\//,
  ),
  replaced('extract', /^msgpackr-extract$/, () => 'undefined'),
];

/** Of undici a registry needs a third (src/oci/registry/http.ts). */
const UNDICI_PARTS = [
  'undici/lib/api/index.js',
  'undici/lib/dispatcher/agent.js',
  'undici/lib/dispatcher/dispatcher.js',
  'undici/lib/dispatcher/proxy-agent.js',
];

/** What modules call import.meta.url, for files that are none. */
const ownUrl = {
  define: { 'import.meta.url': 'wiacUrl' },
  banner: {
    js: "const wiacRequire = require, wiacUrl = require('node:url').pathToFileURL(__filename).href;",
  },
};

const { outputFiles: packages } = await build({
  ...common,
  ...ownUrl,
  entryPoints: Object.fromEntries(APART.map((name) => [name, name])),
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
});

/** Nobody asks a registry for HTTP/2; undici itself goes without where Node was built without. */
const withoutHttp2 = replaced('http2', /^node:http2$/, () => '{ constants: {} }');

const { outputFiles: parts } = await build({
  ...common,
  plugins: [withoutHttp2],
  stdin: {
    contents: UNDICI_PARTS.map((path) => `exports['${path}'] = require('${path}');`).join('\n'),
    resolveDir: '.',
    sourcefile: 'undici-parts.js',
  },
  outdir: undefined,
  outfile: join(outdir, 'undici-parts.cjs'),
  format: 'cjs',
});

const own = {
  ...common,
  define: { WIAC_CHECKPOINTS: String(checkpoints) },
  plugins: [apart],
  // It starts worker threads by file name.
  external: ['pino'],
};

const { outputFiles: command } = await build({
  ...own,
  entryPoints: { main: 'src/cli/main.ts', wiac: 'src/cli/start.ts' },
  plugins: [...own.plugins, ...lean],
  define: { ...own.define, ...ownUrl.define },
  format: 'cjs',
  // Compiled code that is loaded from a file has no loader of ES modules.
  supported: { 'dynamic-import': false },
  outExtension: { '.js': '.cjs' },
  banner: ownUrl.banner,
});

/** A thread has no part in the compiled code of main.cjs. */
const { outputFiles: worker } = await build({
  ...common,
  entryPoints: { 'gzip-worker': 'src/fs/archive/gzip-worker.ts' },
  plugins: [apart],
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  banner: ownUrl.banner,
});

/** The library; with --checkpoints what tests run in processes of their own. */
const { outputFiles: inProcess } = await build({
  ...own,
  plugins: [...own.plugins, lmdbApart],
  entryPoints: checkpoints
    ? {
        'in-process': 'test/support/in-process.ts',
        'executor-child': 'test/support/executor-child.ts',
      }
    : { index: 'src/engine/index.ts' },
  format: 'esm',
  banner: {
    js: "import { createRequire as wiacCreateRequire } from 'node:module'; const wiacRequire = wiacCreateRequire(import.meta.url); const require = wiacRequire;",
  },
});

const files = new Map(
  [...packages, ...parts, ...command, ...worker, ...inProcess].map(({ path, contents }) => [
    basename(path),
    contents,
  ]),
);
// Compiled code is kept under this name: V8 itself compares no more than the length.
for (const [name, contents] of files) {
  if (!name.endsWith('.cjs') || name === 'wiac.cjs') continue;
  const digest = createHash('sha256').update(contents).digest('hex').slice(0, 16);
  files.set(name, Buffer.concat([Buffer.from(`/*${digest}*/`), contents]));
}
for (const name of ['enter.pl', 'relay.pl'])
  files.set(name, readFileSync(`src/executor/local/${name}`));
mkdirSync(outdir, { recursive: true });
// Each file gets its name when it is whole, and files of former builds go last: `npm pack` builds
// too, and at no time is dist/ without a command that works.
for (const [name, contents] of files) {
  const path = join(outdir, name);
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, contents);
  if (name === 'wiac.cjs') chmodSync(unfinished, 0o755);
  renameSync(unfinished, path);
}
// Types are written beside by tsc (src/tsconfig.json).
for (const name of readdirSync(outdir))
  if (!files.has(name) && name !== 'types') rmSync(join(outdir, name));
