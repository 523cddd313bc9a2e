// Bundles src/ to dist/. All of wiac is one file, because Node 20 takes most of a millisecond to
// find and link each further one, and code that is not called costs next to nothing. Packages that
// most commands do without are files of their own, read when the first module that imports them runs.
// With --checkpoints to dist-checkpoints/, for tests: the same with the places where the crash test
// kills it (src/checkpoint.ts), and builds without a command line (test/support/in-process.ts).
import { chmodSync, copyFileSync, readdirSync, rmSync } from 'node:fs';
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
  metafile: true,
  minifySyntax: true,
  minifyWhitespace: true,
};

const APART = ['execa', 'fast-glob', 'log-update', 'tar-stream', 'undici'];

/** lmdb brings a native module; as CommonJS it is a few files, as ES modules twenty. */
const REQUIRED = ['lmdb'];

/** The place of a package is taken by a module that loads its file, or the package as it is. */
const apart = {
  name: 'apart',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: new RegExp(`^(${[...APART, ...REQUIRED].join('|')})$`) }, ({ path }) => ({
      path,
      namespace: 'apart',
    }));
    onLoad({ filter: /./, namespace: 'apart' }, ({ path }) => ({
      contents: `module.exports = wiacRequire('${REQUIRED.includes(path) ? path : `./${path}.cjs`}');`,
    }));
  },
};

const packages = await build({
  ...common,
  entryPoints: Object.fromEntries(APART.map((name) => [name, name])),
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
});

const { metafile } = await build({
  ...common,
  entryPoints: {
    wiac: 'src/cli/main.ts',
    ...(checkpoints ? { 'in-process': 'test/support/in-process.ts' } : {}),
  },
  define: { WIAC_CHECKPOINTS: String(checkpoints) },
  format: 'esm',
  plugins: [apart],
  // They start worker threads by file name.
  external: ['pino', 'pino-pretty'],
  banner: {
    js: "import { createRequire as wiacCreateRequire } from 'node:module'; const wiacRequire = wiacCreateRequire(import.meta.url); const require = wiacRequire;",
  },
});
copyFileSync('src/exec/enter.pl', join(outdir, 'enter.pl'));
chmodSync(join(outdir, 'wiac.js'), 0o755);
// Files of former builds go last: at no time is dist/ without a command that works.
const outputs = [...Object.keys(metafile.outputs), ...Object.keys(packages.metafile.outputs)];
const made = new Set(['enter.pl', ...outputs.map((path) => basename(path))]);
for (const name of readdirSync(outdir)) if (!made.has(name)) rmSync(join(outdir, name));
