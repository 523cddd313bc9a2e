/** Nothing is written among the store's own files: it would replace them, or be taken for one of them. */
import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { UsageError } from '../../util/errors.js';
import type { Output } from './output-spec.js';
import { STDOUT } from './output-spec.js';

/** A path without symbolic links, as far as it is there. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPath(parent), basename(path));
  }
}

/**
 * @param root of the store
 * @throws UsageError when an output would be written below it
 */
export function requireElsewhere(root: string, outputs: readonly Output[]): void {
  const own = `${realPath(resolve(root))}/`;
  for (const output of outputs) {
    if (!('dest' in output) || output.dest === STDOUT) continue;
    if (!`${realPath(resolve(output.dest))}/`.startsWith(own)) continue;
    throw new UsageError(`--output: ${output.dest} is in the store ${root}`, {
      hint: 'give a place outside of it',
    });
  }
}
