// Bundles src/ to dist/: one entry, shared chunks, so that a command loads what it needs and no more.
import { chmodSync, copyFileSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: { wiac: 'src/cli/main.ts' },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  sourcemap: true,
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
