/** COPY: what ends up where, and what of it comes from the cache. */
import { chmodSync, linkSync, lstatSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { describeBuildah, describeLayers } from '../support/tree.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, ranSteps, tempDir, writeTree } from '../support/wiac.js';

const machine = warmMachines();

/** Builds a context of plain files, without a shell, and describes the result. */
async function copied(lines: string[], files: Record<string, string>): Promise<string[]> {
  const root = tempDir();
  writeTree(root, { Dockerfile: ['FROM scratch', ...lines, ''].join('\n'), ...files });
  const { lowerdirs } = await machine().build(root);
  return (await describeLayers(lowerdirs)).map((line) => line.split(' ')[0] ?? '');
}

const FILES = { 'a.txt': 'a', 'b.txt': 'b', 'c.md': 'c', 'dir/d.txt': 'd', 'dir/sub/e.txt': 'e' };

describe('destinations', () => {
  test.each([
    ['a file gets the name of the destination', ['COPY a.txt /x'], ['x']],
    ['a slash makes the destination a directory', ['COPY a.txt /x/'], ['x', 'x/a.txt']],
    ['several sources go into a directory', ['COPY a.txt b.txt /x/'], ['x', 'x/a.txt', 'x/b.txt']],
    ['wildcards are Go patterns', ['COPY *.txt /x/'], ['x', 'x/a.txt', 'x/b.txt']],
    ['a character class', ['COPY [b-c].* /x/'], ['x', 'x/b.txt', 'x/c.md']],
    [
      'of a directory the content is copied',
      ['COPY dir /x'],
      ['x', 'x/d.txt', 'x/sub', 'x/sub/e.txt'],
    ],
    ['the JSON form takes names with spaces', ['COPY ["a.txt", "/with space"]'], ['with']],
    [
      'a relative destination starts at WORKDIR',
      ['WORKDIR /w', 'COPY a.txt sub/'],
      ['w', 'w/sub', 'w/sub/a.txt'],
    ],
    [
      'an existing directory takes the file',
      ['COPY dir /x', 'COPY a.txt /x'],
      ['x', 'x/a.txt', 'x/d.txt', 'x/sub', 'x/sub/e.txt'],
    ],
    ['ARG and ENV are expanded', ['ARG N=a', 'ENV T=/x/', 'COPY $N.txt ${T}'], ['x', 'x/a.txt']],
    ['--exclude', ['COPY --exclude=sub dir /x/'], ['x', 'x/d.txt']],
    [
      '--parents keeps directories',
      ['COPY --parents dir/sub/e.txt /x/'],
      ['x', 'x/dir', 'x/dir/sub', 'x/dir/sub/e.txt'],
    ],
    [
      '--parents after a pivot',
      ['COPY --parents dir/./sub/e.txt /x/'],
      ['x', 'x/sub', 'x/sub/e.txt'],
    ],
    ['a heredoc is a file', ['COPY <<hello.txt /x/', 'text', 'hello.txt'], ['x', 'x/hello.txt']],
  ])('%s', async (_, lines, expected) => {
    expect(await copied(lines, FILES)).toEqual(expected);
  });

  test('stages by name and by index, a symbolic link of the image on the way', async () => {
    const root = context({
      Dockerfile: `FROM scratch AS one
COPY a.txt /real/a.txt
FROM scratch
COPY bin /bin
RUN mkdir /target && ln -s /target /link
COPY --from=one /real/a.txt /link/by-name
COPY --from=0 /real /link/
`,
      'a.txt': 'a',
    });
    const tree = await describeLayers((await machine().build(root)).lowerdirs);
    const names = tree.map((line) => line.split(' ')[0]).filter((name) => !name?.startsWith('bin'));
    expect(names).toEqual(['link', 'target', 'target/a.txt', 'target/by-name']);
  });
});

describe('.dockerignore', () => {
  test('exceptions bring files back, comments and blank lines do not count', async () => {
    const files = {
      ...FILES,
      '.dockerignore': '# comment\n\n*.txt\n!b.txt\ndir\n!dir/sub\nDockerfile\n.dockerignore\n',
    };
    expect(await copied(['COPY . /'], files)).toEqual([
      'b.txt',
      'c.md',
      'dir',
      'dir/sub',
      'dir/sub/e.txt',
    ]);
  });

  test("the Dockerfile's own ignore file comes first", async () => {
    const files = {
      'a.txt': 'a',
      '.dockerignore': 'a.txt',
      'Dockerfile.dockerignore': 'Docker*\n.docker*',
    };
    expect(await copied(['COPY . /'], files)).toEqual(['a.txt']);
  });
});

describe('attributes', () => {
  test('modes, links and times are kept, owners become root', async () => {
    const root = tempDir();
    writeTree(root, {
      Dockerfile: 'FROM scratch\nCOPY d /d\n',
      'd/plain': 'x',
      'd/setuid': 'x',
      'd/link': '-> plain',
    });
    chmodSync(join(root, 'd/setuid'), 0o4750);
    linkSync(join(root, 'd/plain'), join(root, 'd/hard'));
    utimesSync(join(root, 'd/plain'), 1e9, 1e9);
    const { lowerdirs } = await machine().build(root);
    const stats = (name: string) => lstatSync(join(lowerdirs, 'd', name));
    expect(stats('setuid').mode & 0o7777).toBe(0o4750);
    expect(stats('hard').ino).toBe(stats('plain').ino);
    expect(stats('link').isSymbolicLink()).toBe(true);
    expect(stats('plain').mtimeMs).toBe(1e12);
  });

  test('--chown by name and number, --chmod', async () => {
    const root = context({
      Dockerfile: dockerfile(
        "RUN mkdir -p /etc && printf 'app:x:1000:1001::/home/app:/bin/sh\\n' > /etc/passwd && printf 'app:x:1001:\\nweb:x:33:\\n' > /etc/group",
        'COPY --chown=app f /1/named',
        'COPY --chown=7 f /2/number',
        'COPY --chown=app:web --chmod=0640 f /3/both',
        'COPY --chmod=u=rwx,go= f /4/symbolic',
      ),
      f: 'x',
    });
    const tree = await describeLayers((await machine().build(root)).lowerdirs);
    const lines = tree
      .filter((line) => /^\d\/\w+ /.test(line))
      .map((line) => line.split(' ').slice(0, 3).join(' '));
    expect(lines).toEqual([
      '1/named 644 1000:1001',
      '2/number 644 7:7',
      '3/both 640 1000:33',
      '4/symbolic 700 0:0',
    ]);
  });

  test('directories of the image above the destination keep mode and owner', async () => {
    const root = context({
      Dockerfile: dockerfile('RUN mkdir -m 1777 /t && chown 5:6 /t', 'COPY f /t/f'),
      f: 'x',
    });
    const tree = await describeLayers((await machine().build(root)).lowerdirs);
    expect(tree).toContain('t 1777 5:6 dir');
  });
});

describe('what invalidates a COPY', () => {
  const files = {
    Dockerfile: dockerfile('COPY d /d', 'RUN cat /d/one'),
    'd/one': '1',
    'd/two': '2',
    other: 'o',
  };

  test('nothing changed: no step runs', async () => {
    const { build } = machine();
    const root = context(files);
    await build(root);
    const { events } = await build(root);
    expect(ranSteps(events)).toEqual([]);
  });

  test.each([
    ['content', (root: string) => writeFileSync(join(root, 'd/one'), 'changed')],
    ['a mode', (root: string) => chmodSync(join(root, 'd/one'), 0o600)],
    ['a new file', (root: string) => writeFileSync(join(root, 'd/three'), '3')],
  ])('%s', async (_, change) => {
    const { build } = machine();
    const root = context(files);
    await build(root);
    change(root);
    const { events } = await build(root);
    expect(ranSteps(events)).toEqual(['COPY d /d', 'RUN cat /d/one']);
  });

  test.each([
    ['a time', (root: string) => utimesSync(join(root, 'd/one'), 5, 5)],
    ['a file that is not copied', (root: string) => writeFileSync(join(root, 'other'), 'changed')],
    ['the same content written again', (root: string) => writeFileSync(join(root, 'd/one'), '1')],
  ])('not: %s', async (_, change) => {
    const { build } = machine();
    const root = context(files);
    await build(root);
    change(root);
    expect(ranSteps((await build(root)).events)).toEqual([]);
  });

  test('a file of the same size and time, written within the same tick, is seen', async () => {
    const { build } = machine();
    const root = context(files);
    for (let round = 0; round < 8; round++) {
      writeFileSync(join(root, 'd/one'), String(round % 2));
      utimesSync(join(root, 'd/one'), 9, 9);
      const { lowerdirs } = await build(root);
      const layer = lowerdirs.split(':').at(-2) ?? '';
      expect(readFileSync(join(layer, 'd/one'), 'utf8')).toBe(String(round % 2));
    }
  });
});

describe('hard links between layers', () => {
  test('unchanged files are linked from the former layer, at the same path only', async () => {
    const { build } = machine();
    const many = Object.fromEntries(
      Array.from({ length: 30 }, (_, index) => [`d/f${index}`, String(index)]),
    );
    const root = context({ Dockerfile: dockerfile('COPY d /d'), ...many });
    const first = (await build(root)).lowerdirs.split(':')[0] ?? '';
    writeFileSync(join(root, 'd/f7'), 'changed');
    const { lowerdirs, events } = await build(root);
    const second = lowerdirs.split(':')[0] ?? '';
    expect(events.find(({ type }) => type === 'finished')).toMatchObject({ linked: 29 });
    const inode = (layer: string, name: string) => lstatSync(join(layer, 'd', name)).ino;
    expect(inode(second, 'f8')).toBe(inode(first, 'f8'));
    expect(inode(second, 'f7')).not.toBe(inode(first, 'f7'));
    expect(readFileSync(join(first, 'd/f7'), 'utf8')).toBe('7');
    writeFileSync(join(root, 'Dockerfile'), dockerfile('COPY d /elsewhere'));
    expect((await build(root)).events.find(({ type }) => type === 'finished')).toMatchObject({
      linked: 0,
    });
  });
});

test('the result is what buildah makes of the same Dockerfile', async () => {
  const root = context({
    Dockerfile: dockerfile(
      'COPY src /app/',
      'COPY --chown=3:4 src/one.txt /owned/',
      'WORKDIR /app/work',
      'RUN echo made > made.txt && chmod 750 made.txt && ln -s made.txt link',
      'RUN rm /app/one.txt && mkdir -p /new/deep && echo x > /new/deep/x',
      'ENV NAME=value',
      'RUN echo "$NAME" > env.txt',
    ),
    'src/one.txt': '1',
    'src/sub/two.txt': '2',
    '.dockerignore': 'Dockerfile\n',
  });
  const ours = await describeLayers((await machine().build(root)).lowerdirs);
  // buildah leaves its mount points for a step in the image.
  const theirs = (await describeBuildah(root)).filter(
    (line) => !/^(dev|proc|sys|run|etc)\b/.test(line),
  );
  expect(ours).toEqual(theirs);
});
