/** A stack that remembers what it was asked shows the same as one that looks each time. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Stack, StackLayer } from '../../src/fs/layer/stack.js';
import { isOpen, listDirectory, locate, resolve, stackOn } from '../../src/fs/layer/stack.js';

const place = mkdtempSync(join(tmpdir(), 'wiac-stack-'));
afterAll(() => rmSync(place, { recursive: true, force: true }));

/** What one layer has at a path; an opaque directory hides what is below it. */
type Kind = 'none' | 'file' | 'dir' | 'opaque' | 'whiteout' | 'link';
const PATHS = ['a', 'a/b', 'a/b/c', 'a/x', 'd', 'd/e'] as const;
const kind = fc.constantFrom<Kind>(
  'none',
  'none',
  'none',
  'file',
  'dir',
  'dir',
  'opaque',
  'whiteout',
  'link',
);
const layer = fc.tuple(...PATHS.map(() => kind));
const bottom = fc.tuple(...PATHS.map(() => fc.constantFrom<Kind>('none', 'file', 'dir')));

let count = 0;

function make(kinds: readonly Kind[]): StackLayer {
  count += 1;
  const root = join(place, String(count));
  mkdirSync(root);
  const opaque = new Set<string>();
  const directories = new Set(['']);
  for (const [at, path] of PATHS.entries()) {
    const what = kinds[at] ?? 'none';
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    if (what === 'none' || !directories.has(parent)) continue;
    const file = join(root, path);
    if (what === 'dir' || what === 'opaque') {
      mkdirSync(file);
      directories.add(path);
      if (what === 'opaque') opaque.add(path);
    } else if (what === 'file') writeFileSync(file, String(count));
    else if (what === 'link') symlinkSync('/d', file);
    else execFileSync('mknod', [file, 'c', '0', '0']);
  }
  return { path: root, opaque };
}

test('the same entries, names and targets of links', () => {
  fc.assert(
    fc.property(fc.array(layer, { minLength: 1, maxLength: 5 }), bottom, (all, lowest) => {
      const layers = all.map(make);
      const below = make(lowest);
      const plain: Stack = [...layers].reverse();
      let chained: Stack = [];
      for (const one of layers) chained = stackOn(chained, one);
      // Twice: what is remembered is right as well.
      for (const path of [...PATHS, ...PATHS, 'nowhere/at/all', '']) {
        const found = (stack: Stack) => locate(stack, path)?.root;
        expect([path, found(chained)]).toEqual([path, found(plain)]);
        expect(resolve(chained, path)?.path).toBe(resolve(plain, path)?.path);
        expect(listDirectory(chained, path)).toEqual(listDirectory(plain, path));
        const all = locate([...plain, below], path)?.root;
        for (const stack of path === '' ? [] : [chained, plain]) {
          const lower = isOpen(stack, path) ? locate([below], path)?.root : undefined;
          expect([path, found(stack) ?? lower]).toEqual([path, all]);
        }
      }
    }),
    { numRuns: 150 },
  );
});
