// Bundles src/ to dist/: one entry, shared chunks, so that a command loads what it needs and no more.
import { chmodSync, copyFileSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';

const { metafile } = await build({
  entryPoints: { wiac: 'src/cli/main.ts' },
  outdir: 'dist',
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
copyFileSync('src/exec/enter.pl', 'dist/enter.pl');
chmodSync('dist/wiac.js', 0o755);
// Chunks of former builds go last: at no time is dist/ without a command that works.
const made = new Set(['enter.pl', ...Object.keys(metafile.outputs).map((path) => basename(path))]);
for (const name of readdirSync('dist')) if (!made.has(name)) rmSync(join('dist', name));
