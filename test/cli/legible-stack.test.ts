/** What is said of an internal error: places in the sources, where the bundle has a map. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { transformSync } from 'esbuild';
import { legibleStack } from '../../src/cli/legible-stack.js';

const directory = mkdtempSync(join(tmpdir(), 'wiac-stack-'));
afterAll(() => rmSync(directory, { recursive: true }));

const SOURCE = `export function failInTheSecondLine(): never {
  throw new Error('broken');
}
`;

/** A bundle as dist/main.cjs is one. */
function bundle(name: string, { withMap }: { readonly withMap: boolean }): string {
  const { code, map } = transformSync(SOURCE, {
    format: 'cjs',
    loader: 'ts',
    minify: true,
    sourcemap: true,
    sourcefile: '../src/engine/fail.ts',
  });
  const path = join(directory, name);
  writeFileSync(path, code);
  if (withMap) writeFileSync(`${path}.map`, map);
  return path;
}

function stackOf(path: string): string {
  try {
    createRequire(import.meta.url)(path).failInTheSecondLine();
  } catch (error) {
    return (error as Error).stack ?? '';
  }
  throw new Error('it did not fail');
}

test('places of the bundle become places of the sources', () => {
  const path = bundle('with.cjs', { withMap: true });
  const stack = legibleStack(stackOf(path), path);
  expect(stack).toMatch(/^Error: broken\n.*src\/engine\/fail\.ts:2:9/);
  expect(stack).not.toContain(path);
});

test('without a map they stay as they are', () => {
  const path = bundle('without.cjs', { withMap: false });
  const stack = stackOf(path);
  expect(stack).toContain(`${path}:1:`);
  expect(legibleStack(stack, path)).toBe(stack);
});

test('a message that names another file has no map read', () => {
  const own = bundle('own.cjs', { withMap: true });
  const other = bundle('other.cjs', { withMap: true });
  const stack = `Error: can't read ${other}:1:80 or ${own}: for long`;
  expect(legibleStack(stack, own)).toBe(stack);
});
