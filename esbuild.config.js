// Bundles src/ to dist/. All of wiac is one file, because Node 20 takes most of a millisecond to
// find and link each further one, and code that is not called costs next to nothing. Packages that
// most commands do without are files of their own, read when the first module that imports them runs.
// With --checkpoints to dist-checkpoints/, for tests: the same with the places where the crash test
// kills it (src/checkpoint.ts), and builds without a command line (test/support/in-process.ts).
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

const { outputFiles: packages } = await build({
  ...common,
  entryPoints: Object.fromEntries(APART.map((name) => [name, name])),
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
});

const { outputFiles: own } = await build({
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

const files = new Map(
  [...packages, ...own].map(({ path, contents }) => [basename(path), contents]),
);
files.set('enter.pl', readFileSync('src/exec/enter.pl'));
mkdirSync(outdir, { recursive: true });
// Each file gets its name when it is whole, and files of former builds go last: `npm pack` builds
// too, and at no time is dist/ without a command that works.
for (const [name, contents] of files) {
  const path = join(outdir, name);
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, contents);
  if (name === 'wiac.js') chmodSync(unfinished, 0o755);
  renameSync(unfinished, path);
}
for (const name of readdirSync(outdir)) if (!files.has(name)) rmSync(join(outdir, name));
