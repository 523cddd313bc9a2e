/** Compares what was made with what a case expects. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import type { Made } from './cases.js';
import { folderOf, ours } from './cases.js';

/** Writes expectations instead of comparing with them: look at the difference before you commit. */
const UPDATE = process.env.CONFORMANCE_UPDATE === '1';

/** The files that are not those of the base image, and the config, as a folder has them. */
export function compareWithExpectation(name: string, made: Made, base: Made): void {
  const folder = folderOf(name);
  const lines = ours(made.files).filter((line) => !ours(base.files).includes(line));
  const onBase = made.files.has('bin/busybox');
  const gone = [...base.files.keys()]
    .filter((path) => onBase && !made.files.has(path))
    .map((path) => `- ${path}`);
  const tree = `${[...lines, ...gone].join('\n')}\n`;
  const config = `${JSON.stringify(made.config, null, 2)}\n`;
  if (UPDATE) {
    writeFileSync(join(folder, 'tree.txt'), tree);
    writeFileSync(join(folder, 'config.json'), config);
    return;
  }
  expect(tree).toBe(readFileSync(join(folder, 'tree.txt'), 'utf8'));
  expect(config).toBe(readFileSync(join(folder, 'config.json'), 'utf8'));
}
