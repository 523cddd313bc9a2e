// Bundles src/ to dist/: one entry, shared chunks, so that a command loads what it needs and no more.
// With --checkpoints to dist-checkpoints/, for tests: the same with the places where the crash test
// kills it (src/checkpoint.ts), and builds without a command line (test/support/in-process.ts).
import { chmodSync, copyFileSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';

const checkpoints = process.argv.includes('--checkpoints');
const outdir = checkpoints ? 'dist-checkpoints' : 'dist';

const { metafile } = await build({
  entryPoints: {
    wiac: 'src/cli/main.ts',
    ...(checkpoints ? { 'in-process': 'test/support/in-process.ts' } : {}),
  },
  outdir,
  define: { WIAC_CHECKPOINTS: String(checkpoints) },
  bundle: true,
  splitting: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  sourcemap: true,
  metafile: true,
  minifySyntax: true,
  // lmdb brings a native module; pino and pino-pretty start worker threads by file name.
  external: ['lmdb', 'pino', 'pino-pretty'],
  banner: {
    // Bundled CommonJS packages (execa's, commander's and fast-glob's dependencies) call require.
    js: "import { createRequire as wiacRequire } from 'node:module'; const require = wiacRequire(import.meta.url);",
  },
});
copyFileSync('src/exec/enter.pl', join(outdir, 'enter.pl'));
chmodSync(join(outdir, 'wiac.js'), 0o755);
// Chunks of former builds go last: at no time is dist/ without a command that works.
const made = new Set(['enter.pl', ...Object.keys(metafile.outputs).map((path) => basename(path))]);
for (const name of readdirSync(outdir)) if (!made.has(name)) rmSync(join(outdir, name));
