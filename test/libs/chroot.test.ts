/** What a closure is for: programs start in a root that holds nothing else. */
import { chmodSync, copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { libraryClosure } from '../../src/libs/closure.js';
import { tempDir, writeTree } from '../support/wiac.js';

/** Nothing of this shell (LD_LIBRARY_PATH, say) helps the program. */
const CLEAN = { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }, extendEnv: false };

/** Puts files where a closure says, as `wiac copy` does. */
function populate(root: string, files: readonly { path: string; target: string }[]): void {
  for (const { path, target } of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    copyFileSync(target, join(root, path));
  }
}

describe('in an empty root', () => {
  test('bash and ls run', async () => {
    const root = tempDir();
    const programs = ['/usr/bin/bash', '/usr/bin/ls'];
    const files = libraryClosure(programs);
    populate(root, files);
    populate(
      root,
      programs.map((path) => ({ path, target: path })),
    );
    const { stdout } = await execa('chroot', [root, '/usr/bin/bash', '-c', 'ls /'], CLEAN);
    const top = new Set(
      [...programs, ...files.map(({ path }) => path)].map((path) => path.split('/')[1]),
    );
    expect(stdout.split('\n')).toEqual([...top].sort());
  });

  test('a script runs through env', async () => {
    const root = tempDir();
    writeTree(root, { script: '#!/usr/bin/env bash\necho "from $BASH"\n' });
    const script = join(root, 'script');
    populate(root, libraryClosure([script]));
    chmodSync(script, 0o755);
    const { stdout } = await execa('chroot', [root, '/script'], CLEAN);
    expect(stdout).toMatch(/^from .*\/bash$/);
  });
});
