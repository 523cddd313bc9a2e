/** A build of a context that did not change reads none of its files. */
import { lstatSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { context, dockerfile, machine, tempDir, WIAC } from '../support/wiac.js';

/** Paths of what a build opened. */
async function openedPaths(context: string, store: string): Promise<string[]> {
  const trace = join(tempDir(), 'trace');
  // -y: what a descriptor stands for, whatever name it was opened by.
  const flags = ['-f', '-y', '-qq', '-e', 'trace=open,openat,openat2', '-o', trace];
  const command = [process.execPath, WIAC, 'build', '-q', context];
  await execa('strace', [...flags, ...command], { env: { WIAC_ROOT: store } });
  const lines = readFileSync(trace, 'utf8').split('\n');
  return lines.flatMap((line) => /= \d+<([^>]+)>$/.exec(line)?.[1] ?? []);
}

/** Files of a directory that a build opened, relative to it; directories are listed, not read. */
async function openedFiles(root: string, store: string): Promise<string[]> {
  return (await openedPaths(root, store)).flatMap((path) => {
    if (!path.startsWith(`${root}/`)) return [];
    return lstatSync(path).isDirectory() ? [] : [path.slice(root.length + 1)];
  });
}

test('strace shows that no file is opened, and only the one that changed afterwards', async () => {
  const { root: store } = machine();
  const root = context({ Dockerfile: dockerfile('COPY src /src'), '.dockerignore': 'src/not\n' });
  const LONG_AGO = 1_000_000_000;
  for (const folder of ['src', 'src/one', 'src/one/two', 'src/not']) {
    mkdirSync(join(root, folder), { recursive: true });
    for (let file = 0; file < 20; file++) {
      const path = join(root, folder, `file${file}`);
      writeFileSync(path, `${folder} ${file}\n`);
      utimesSync(path, LONG_AGO, LONG_AGO);
    }
  }
  // What was written a moment ago is read once more, as git does with its index.
  await new Promise((resume) => setTimeout(resume, 100));
  const first = await openedFiles(root, store);
  // Each is read for the key, and digested once more as it is copied.
  expect(new Set(first.filter((path) => path.startsWith('src/'))).size).toBe(60);
  // The linter reads the ignore file as well.
  const allowed = ['.dockerignore', '.dockerignore', 'Dockerfile'];
  expect((await openedFiles(root, store)).sort()).toEqual(allowed);
  utimesSync(join(root, 'src/one/file3'), LONG_AGO + 1, LONG_AGO + 1);
  await new Promise((resume) => setTimeout(resume, 100));
  expect((await openedFiles(root, store)).sort()).toEqual([...allowed, 'src/one/file3']);
  expect((await openedFiles(root, store)).sort()).toEqual(allowed);
});

test('files that a RUN has made are read once for their digest, also by a COPY that follows at once', async () => {
  const { root: store } = machine();
  const run = 'RUN mkdir /made && for i in 1 2 3 4 5 6 7 8 9; do echo $i > /made/file$i; done';
  const lines = dockerfile(run).replace('FROM scratch', 'FROM scratch AS maker');
  const root = context({ Dockerfile: `${lines}\nFROM scratch\nCOPY --from=maker /made /copy\n` });
  const opened = await openedPaths(root, store);
  const made = opened.filter((path) => /\/diff\/made\/file\d$/.test(path));
  // Once for the digest, and once to be copied.
  expect(made).toHaveLength(18);
});
