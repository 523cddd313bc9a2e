// Bundles src/ to dist/. All of wiac is one file, main.cjs, because Node 20 takes most of a
// millisecond to find and link each further one; wiac.cjs loads it together with its compiled code
// (src/start/). Packages that most commands do without are files of their own, read when the
// first module that imports them runs, and loaded in the same way. gzip-worker.cjs and
// unpack-worker.cjs are what threads run.
// wiac-sys-* are compiled from native/.
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
import { compileAll } from './compile-native.js';
import {
  APART,
  apart,
  lateParts,
  lmdbInside,
  lmdbOutside,
  sharedClient,
  withoutHttp2,
  withoutLate,
} from './src/start/bundle.js';
import { getLicences } from './src/start/licences.js';
import { manPages } from './src/start/man-pages.js';

const checkpoints = process.argv.includes('--checkpoints');
const outdir = checkpoints ? 'dist-checkpoints' : 'dist';

const common = {
  outdir,
  bundle: true,
  platform: 'node',
  target: 'node20',
  sourcemap: true,
  write: false,
  metafile: true,
  minifySyntax: true,
  minifyWhitespace: true,
};

/** What modules call import.meta.url, for files that are none. */
const ownUrl = {
  define: { 'import.meta.url': 'wiacUrl' },
  banner: {
    js: "const wiacRequire = require, wiacUrl = require('node:url').pathToFileURL(__filename).href;",
  },
};

const { outputFiles: packages, metafile: packageFacts } = await build({
  ...common,
  ...ownUrl,
  plugins: [withoutHttp2, sharedClient],
  entryPoints: {
    ...Object.fromEntries(APART.map((name) => [name, name])),
    undici: 'src/start/undici.ts',
  },
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
});

const own = {
  ...common,
  define: { WIAC_CHECKPOINTS: String(checkpoints) },
  plugins: [apart],
};

const whole = {
  ...own,
  plugins: [apart, lateParts, ...lmdbInside],
  define: { ...own.define, ...ownUrl.define },
  format: 'cjs',
  // Compiled code that is loaded from a file has no loader of ES modules.
  supported: { 'dynamic-import': false },
  outExtension: { '.js': '.cjs' },
  banner: ownUrl.banner,
};

const { outputFiles: command, metafile: commandFacts } = await build({
  ...whole,
  // V8 makes each name anew when it loads compiled code: 8 ms of a cached build.
  minifyIdentifiers: true,
  entryPoints: { main: 'src/cli/main.ts', wiac: 'src/start/launcher.ts' },
});

/** The library: programs import it as what package.json exports, and see the names of its errors. */
const { outputFiles: library, metafile: libraryFacts } = await build({
  ...whole,
  entryPoints: { index: 'src/engine/index.ts' },
});

/** A thread has no part in the compiled code of main.cjs. */
const { outputFiles: worker } = await build({
  ...common,
  ...ownUrl,
  entryPoints: {
    'gzip-worker': 'src/fs/archive/gzip-worker.ts',
    'unpack-worker': 'src/fs/archive/unpack-worker.ts',
  },
  plugins: [apart],
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
});

/** The page of a report, which `wiac build --report` fills: one file that loads nothing; and that of `wiac ui`. */
const { outputFiles: pageParts, metafile: pageFacts } = await build({
  ...common,
  entryPoints: {
    report: 'src/page/main.tsx',
    'report-style': 'src/page/page.css',
    ui: 'src/page/ui/ui.tsx',
    'ui-style': 'src/page/ui/ui.css',
  },
  platform: 'browser',
  target: 'es2022',
  format: 'iife',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  sourcemap: false,
  minify: true,
  legalComments: 'none',
});

/** What tests run in processes of their own. */
const { outputFiles: inProcess } = await build({
  ...own,
  plugins: [apart, lmdbOutside],
  entryPoints: checkpoints
    ? {
        'in-process': 'test/support/in-process.ts',
        'executor-child': 'test/support/executor-child.ts',
        'rootless-worker': 'test/conformance/rootless-worker.ts',
        'warm-child': 'test/support/warm-child.ts',
      }
    : {},
  format: 'esm',
  banner: {
    js: "import { createRequire as wiacCreateRequire } from 'node:module'; const wiacRequire = wiacCreateRequire(import.meta.url); const require = wiacRequire;",
  },
});

/** Modules of src/, to be used while dist/ is made. What they load late is left out. */
async function useModules(contents) {
  const { outputFiles } = await build({
    ...common,
    stdin: { contents, resolveDir: '.' },
    plugins: [withoutLate],
    sourcemap: false,
    format: 'esm',
    platform: 'node',
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire('/');",
    },
  });
  const [{ contents: text }] = outputFiles;
  return import(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`);
}

/** Filters of system calls, by the modules that make them at run time too. */
async function seccompFilters() {
  const made = await useModules(
    `export { defaultFilters } from './src/executor/seccomp/default-filters.ts';
     export { DEFAULT_CAPABILITIES, namesOf } from './src/executor/local/capabilities.ts';`,
  );
  return made.defaultFilters(made.namesOf(made.DEFAULT_CAPABILITIES));
}

/** A manual page for each command, of what --help says. */
async function getManPages() {
  const { createProgram } = await useModules(
    `export { createProgram } from './src/cli/program.ts';`,
  );
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
  return manPages(
    createProgram(() => {}),
    version,
  );
}

/**
 * A page allows what is in it, by its digest, and nothing else: no other script, and no request but those to
 * its own server, where it has one.
 */
function pageFile(name, ownPolicy, data) {
  const textOf = (file) => pageParts.find(({ path }) => basename(path) === file).text.trim();
  const parts = { script: textOf(`${name}.js`), style: textOf(`${name}-style.css`) };
  if (/<\/(script|style)|<!--/i.test(parts.script + parts.style))
    throw new Error(`the page ${name} would end its own script`);
  const digest = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  const csp = [
    "default-src 'none'",
    `script-src ${digest(parts.script)}`,
    `style-src ${digest(parts.style)}`,
    'img-src data:',
    ...ownPolicy,
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
  const elements = {
    policy: `<meta http-equiv="Content-Security-Policy" content="${csp}" />`,
    style: `<style>${parts.style}</style>`,
    data: `<script type="application/json" id="data">${data}</script>`,
    script: `<script>${parts.script}</script>`,
  };
  return readFileSync('src/page/page.html', 'utf8').replace(
    /<!-- (\w+) -->/g,
    (_, name) => elements[name],
  );
}

const files = new Map(
  [...packages, ...command, ...library, ...worker, ...inProcess].map(({ path, contents }) => [
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
// sh reads the first three lines, and exec ends it there. Node skips the first; in the others it sees
// the text ':' and a comment, where sh sees a command that does nothing, and then another one.
// `node --` comes first because Node 20 would take --env-file from what follows the script's name:
// `wiac run image node --env-file=.env`.
files.set('wiac.cjs', Buffer.concat([readFileSync('src/start/launch.sh'), files.get('wiac.cjs')]));
const wasm = 'src/oci/compress/libdeflate/libdeflate.wasm';
files.set(basename(wasm), readFileSync(wasm));
for (const [name, filter] of await seccompFilters()) files.set(name, filter);
for (const [name, page] of await getManPages()) files.set(name, page);
files.set('report.html', Buffer.from(pageFile('report', [], '"wiac-report-data"')));
const ui = pageFile('ui', ["connect-src 'self'"], 'null').replace('wiac-report-title', 'wiac');
files.set('ui.html', Buffer.from(ui));
files.set('LICENSES.txt', getLicences([packageFacts, commandFacts, libraryFacts, pageFacts]));
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
const programs = compileAll(outdir);
for (const { name, unfinished } of programs) renameSync(unfinished, join(outdir, name));
const written = new Set([...files.keys(), ...programs.map(({ name }) => name), 'types']);
// Types are written beside by tsc (src/tsconfig.json).
for (const name of readdirSync(outdir)) if (!written.has(name)) rmSync(join(outdir, name));
