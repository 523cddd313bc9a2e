/** The commands of documents and examples, in a place that looks like a clone. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir, WIAC } from './wiac.js';

/** The commands of a text; test/e2e/queue-documents.test.ts executes those that take a queue. */
export function shellBlocks(markdown: string): string[] {
  return [...markdown.matchAll(/```sh\n(.*?)```/gs)]
    .map(([, text]) => text ?? '')
    .filter((text) => !text.includes('$QUEUE'));
}

/** The commands of an example's README. */
export function exampleCommands(name: string): string {
  const [block = ''] = shellBlocks(readFileSync(join('examples', name, 'README.md'), 'utf8'));
  return block;
}

/** A place that looks like a clone, with the `wiac` command on the path. */
export function clone(): { cwd: string; env: Record<string, string> } {
  const cwd = tempDir();
  cpSync('examples', join(cwd, 'examples'), {
    recursive: true,
    filter: (path) => !/\/(diff|base\.tar)$/.test(path),
  });
  const bin = tempDir();
  writeFileSync(join(bin, 'wiac'), `#!/bin/sh\nexec ${process.execPath} ${WIAC} "$@"\n`, {
    mode: 0o755,
  });
  return { cwd, env: { PATH: `${bin}:${process.env.PATH}`, WIAC_ROOT: join(tempDir(), 'store') } };
}
