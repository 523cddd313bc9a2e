/** A build of a context that did not change reads none of its files. */
import { lstatSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { describeLayers } from '../support/tree.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, tempDir, WIAC } from '../support/wiac.js';

const machine = warmMachines();

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

test('a file that is changed within one second of a file system that counts seconds is read again', async () => {
  const directory = tempDir();
  const image = join(directory, 'disk');
  const root = join(directory, 'mnt');
  mkdirSync(root);
  await execa('truncate', ['-s', '8M', image]);
  await execa('mkfs.ext4', ['-q', '-F', '-I', '128', image]);
  await execa('mount', ['-o', 'loop', image, root]);
  try {
    const { build } = machine();
    const path = join(root, 'file');
    writeFileSync(join(root, 'Dockerfile'), 'FROM scratch\nCOPY file /file\n');
    const changed = () => lstatSync(path).ctimeMs;
    for (let before = 0; ; ) {
      // All of it has to happen within a second, so that it begins with one.
      do writeFileSync(path, 'a');
      while (changed() === before);
      before = changed();
      // Longer than a tick.
      await new Promise((resume) => setTimeout(resume, 200));
      await build(root);
      writeFileSync(path, 'b');
      if (changed() !== before) continue;
      expect(await describeLayers((await build(root)).lowerdirs)).toContainEqual(
        expect.stringMatching(/^file .* Yg==$/),
      );
      return;
    }
  } finally {
    await execa('umount', [root]);
  }
});

test('another image at the same place, with the same inodes, times and sizes, is read', async () => {
  const directory = tempDir();
  const root = join(directory, 'mnt');
  const content = join(directory, 'content');
  mkdirSync(root);
  mkdirSync(content);
  writeFileSync(join(content, 'Dockerfile'), 'FROM scratch\nCOPY file /file\n');
  const { build } = machine();
  for (const text of ['a', 'b', 'a']) {
    const image = join(directory, `disk-${text}`);
    writeFileSync(join(content, 'file'), text);
    await execa('truncate', ['-s', '1M', image]);
    // Filled without a mount. One that has just ended can live on in a mount namespace of another
    // test, and who mounts the image again would see it as it was, without the times set below.
    const options = ['-q', '-F', '-I', '128', '-O', '^has_journal', '-d', content];
    await execa('mkfs.ext4', [...options, image]);
    // As those who make images that are to be the same each time.
    const times = ['ctime', 'mtime'].map((field) => `set_inode_field file ${field} @1000`);
    await execa('debugfs', ['-w', '-f', '-', image], { input: times.join('\n') });
    await execa('mount', ['-o', 'loop', image, root]);
    try {
      expect(lstatSync(join(root, 'file')).ctimeMs).toBe(1_000_000);
      const layers = await describeLayers((await build(root)).lowerdirs);
      const base64 = Buffer.from(text).toString('base64');
      expect(layers).toContainEqual(expect.stringMatching(`^file .* ${base64}$`));
    } finally {
      await execa('umount', [root]);
    }
  }
});
