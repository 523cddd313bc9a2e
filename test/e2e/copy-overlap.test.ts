/** Several sources of a COPY at one path, and layers that stay what they were. */
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { describeLayers } from '../support/tree.js';
import { warmMachines } from '../support/warm-command.js';
import type { Machine } from '../support/wiac.js';
import { context, dockerfile, tempDir, writeTree } from '../support/wiac.js';

const machine = warmMachines();

/** A context without a shell. */
function files(lines: readonly string[], tree: Readonly<Record<string, string>>): string {
  const root = tempDir();
  writeTree(root, { Dockerfile: ['FROM scratch', ...lines, ''].join('\n'), ...tree });
  return root;
}

async function topLayer({ build }: Machine, root: string): Promise<string> {
  return (await build(root)).lowerdirs.split(':')[0] ?? '';
}

/** A new text of the same length, and a time that does not tell. */
function rewrite(path: string, text: string): void {
  writeFileSync(path, text);
  utimesSync(path, 1000, 1000);
}

describe('two sources with a file of the same name: the later one wins', () => {
  test('files of different sizes', async () => {
    const root = files(['COPY a/f b/f /d/'], { 'a/f': 'longer', 'b/f': 'short' });
    expect(readFileSync(join(await topLayer(machine(), root), 'd/f'), 'utf8')).toBe('short');
  });

  test('directories', async () => {
    const root = files(['COPY a b /d/'], { 'a/f': 'longer', 'a/one': '1', 'b/f': 'short' });
    const layer = await topLayer(machine(), root);
    expect(readFileSync(join(layer, 'd/f'), 'utf8')).toBe('short');
    expect(readdirSync(join(layer, 'd')).sort()).toEqual(['f', 'one']);
  });

  test('files that a wildcard finds for one name, whichever of them changes or goes', async () => {
    const made = machine();
    const root = files(['COPY f* /o'], { f1: '1', f2: '2', f3: '3' });
    const shown = async () => readFileSync(join(await topLayer(made, root), 'o'), 'utf8');
    expect(await shown()).toBe('3');
    writeFileSync(join(root, 'f2'), 'changed');
    expect(await shown()).toBe('3');
    rmSync(join(root, 'f3'));
    rmSync(join(root, 'f2'));
    expect(await shown()).toBe('1');
  });

  test('directories that a wildcard no longer finds: what another one has now is copied', async () => {
    const made = machine();
    const root = files(['COPY --parents */f /o/', 'COPY --parents */d /o/'], {});
    writeTree(root, { 'a/f': '1', 'b/f': '2', 'a/d/g': '3', 'b/d/g': '4' });
    await made.build(root);
    rmSync(join(root, 'a'), { recursive: true });
    writeTree(root, { 'b/f': '1', 'b/d/g': '3' });
    const [g = '', f = ''] = (await made.build(root)).lowerdirs.split(':');
    expect(readFileSync(join(f, 'o/b/f'), 'utf8')).toBe('1');
    expect(readFileSync(join(g, 'o/b/d/g'), 'utf8')).toBe('3');
  });

  test('a wildcard that finds a directory, and then a file that was in it', async () => {
    const made = machine();
    const root = files(['COPY [df] /o'], { 'd/f': 'x' });
    await made.build(root);
    rmSync(join(root, 'd'), { recursive: true });
    writeTree(root, { f: 'x' });
    expect(readFileSync(join(await topLayer(made, root), 'o'), 'utf8')).toBe('x');
  });

  test('files of the same size and time', async () => {
    const root = files(['COPY a b /d/'], {});
    for (const name of ['a', 'b']) {
      mkdirSync(join(root, name));
      rewrite(join(root, name, 'f'), name);
    }
    expect(readFileSync(join(await topLayer(machine(), root), 'd/f'), 'utf8')).toBe('b');
  });

  test.each([
    ['the hidden file', 'a/f', 'A', 'b'],
    ['the file that hides it', 'b/f', 'B', 'B'],
    ['a file beside them', 'b/other', 'O', 'b'],
  ])('after a change of %s', async (_, path, text, expected) => {
    const made = machine();
    const root = files(['COPY a b /d/'], {});
    for (const [name, content] of [
      ['a/f', 'a'],
      ['b/f', 'b'],
      ['b/other', 'o'],
    ] as const) {
      mkdirSync(join(root, name, '..'), { recursive: true });
      rewrite(join(root, name), content);
    }
    const former = await topLayer(made, root);
    rewrite(join(root, path), text);
    const layer = await topLayer(made, root);
    expect(readFileSync(join(layer, 'd/f'), 'utf8')).toBe(expected);
    expect(readFileSync(join(former, 'd/f'), 'utf8')).toBe('b');
    expect(readFileSync(join(former, 'd/other'), 'utf8')).toBe('o');
  });

  test('a name of a file with two names is replaced: the step behind it sees which are one file', async () => {
    const made = machine();
    const root = context({
      Dockerfile: dockerfile(
        'COPY a b /d/',
        'RUN [ /d/f -ef /d/h ] && echo one > /o || echo two > /o',
      ),
      'a/f': '1',
      'b/f': '1',
      'b/g': '2',
    });
    linkSync(join(root, 'a/f'), join(root, 'a/h'));
    const shown = async () => readFileSync(join(await topLayer(made, root), 'o'), 'utf8');
    expect(await shown()).toBe('two\n');
    rmSync(join(root, 'b/f'));
    expect(await shown()).toBe('one\n');
    expect((await made.wiac(['cache', 'verify'])).exitCode).toBe(0);
  });

  test('what BuildKit refuses is refused with file and line: a file over a directory', async () => {
    const root = files(['COPY a b /d/'], { 'a/f/x': '1', 'b/f': '2' });
    const { exitCode, stderr } = await machine().wiac(['build', '-q', root]);
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain(`${root}/Dockerfile:2:`);
  });
});

describe('hard links stay invisible', () => {
  test('one file copied to two paths is two files, whatever was linked', async () => {
    const made = machine();
    const root = files(['COPY d /one', 'COPY d /two', 'COPY d/f /three'], {
      'd/f': 'x',
      'd/g': 'y',
    });
    await made.build(root);
    writeFileSync(join(root, 'd/g'), 'changed');
    const { lowerdirs } = await made.build(root);
    const layers = lowerdirs.split(':').reverse();
    const inodes = ['one/f', 'two/f', 'three'].map(
      (path, index) => lstatSync(join(layers[index] ?? '', path)).ino,
    );
    expect(new Set(inodes).size).toBe(3);
  });

  test('COPY --from to another path does not share the inode either', async () => {
    const root = tempDir();
    writeTree(root, {
      Dockerfile: `FROM scratch AS one
COPY f /f
FROM one
COPY --from=one /f /g
COPY --from=one /f /h
`,
      f: 'x',
    });
    const { lowerdirs } = await machine().build(root);
    const [h = '', g = '', f = ''] = lowerdirs.split(':');
    const inodes = [join(f, 'f'), join(g, 'g'), join(h, 'h')].map((path) => lstatSync(path).ino);
    expect(new Set(inodes).size).toBe(3);
  });

  test.each([1, 400])(
    'names of one file that two COPY --from take are two files (%i files)',
    async (count) => {
      const names = Array.from({ length: count }, (_, at) => [`a/x/${at}`, String(at)]);
      const lines = ['COPY . /', 'FROM scratch', 'COPY --from=0 /a /a', 'COPY --from=0 /b /b'];
      const root = files(lines, { ...Object.fromEntries(names), 'b/x/g': 'y' });
      linkSync(join(root, 'a/x/0'), join(root, 'b/x/0'));
      const [b = '', a = ''] = (await machine().build(root)).lowerdirs.split(':');
      expect(lstatSync(join(b, 'b/x/0')).ino).not.toBe(lstatSync(join(a, 'a/x/0')).ino);
      expect(lstatSync(join(b, 'b/x/g')).nlink).toBe(2);
    },
  );

  test('a step that writes to a linked file leaves every layer as it was', async () => {
    const made = machine();
    const root = context({
      Dockerfile: dockerfile('COPY d /d', 'RUN echo more >> /d/f && chmod 600 /d/f'),
      'd/f': 'x',
      'd/g': 'y',
    });
    await made.build(root);
    writeFileSync(join(root, 'd/g'), 'changed');
    const { lowerdirs } = await made.build(root);
    const [top = '', copied = ''] = lowerdirs.split(':');
    expect(readFileSync(join(top, 'd/f'), 'utf8')).toBe('xmore\n');
    expect(readFileSync(join(copied, 'd/f'), 'utf8')).toBe('x');
    expect(lstatSync(join(copied, 'd/f')).nlink).toBeGreaterThan(1);
    expect(lstatSync(join(copied, 'd/f')).mode & 0o777).toBe(0o644);
  });

  test('a file whose mode changed is not linked, and its former layer keeps the mode', async () => {
    const made = machine();
    const root = files(['COPY d /d'], { 'd/f': 'x', 'd/g': 'y' });
    const former = await topLayer(made, root);
    chmodSync(join(root, 'd/f'), 0o600);
    const layer = await topLayer(made, root);
    expect(lstatSync(join(layer, 'd/f')).mode & 0o777).toBe(0o600);
    expect(lstatSync(join(former, 'd/f')).mode & 0o777).toBe(0o644);
    expect(lstatSync(join(layer, 'd/g')).ino).toBe(lstatSync(join(former, 'd/g')).ino);
  });

  test('hard links of the context are links in the layer, also across directories of it', async () => {
    const root = files(['COPY d /d'], { 'd/a/f': 'x', 'd/b/other': 'y' });
    linkSync(join(root, 'd/a/f'), join(root, 'd/b/f'));
    const layer = await topLayer(machine(), root);
    expect(lstatSync(join(layer, 'd/a/f')).ino).toBe(lstatSync(join(layer, 'd/b/f')).ino);
  });
});

describe('unusual files', () => {
  test('names with blanks, line breaks, wildcards and letters of other scripts', async () => {
    const names = ['a b', 'line\nbreak', '-rf', 'ü', "it's", 'back\\slash', '*', 'tab\t'];
    const root = files(['COPY d /d'], Object.fromEntries(names.map((name) => [`d/${name}`, name])));
    const layer = await topLayer(machine(), root);
    expect(readdirSync(join(layer, 'd')).sort()).toEqual([...names].sort());
    for (const name of names) expect(readFileSync(join(layer, 'd', name), 'utf8')).toBe(name);
  });

  test('a FIFO is copied as one, never read', async () => {
    const root = files(['COPY d /d'], { 'd/f': 'x' });
    await execa('mkfifo', [join(root, 'd/fifo')]);
    const layer = await topLayer(machine(), root);
    expect(lstatSync(join(layer, 'd/fifo')).isFIFO()).toBe(true);
  });

  test('links inside of a copied directory stay what they are: dangling, looping, absolute', async () => {
    const root = files(['COPY d /d'], { 'd/f': 'x' });
    const targets = { dangling: 'nowhere', loop: 'loop', absolute: '/etc/passwd', up: '../../..' };
    for (const [name, target] of Object.entries(targets))
      symlinkSync(target, join(root, 'd', name));
    const tree = await describeLayers((await machine().build(root)).lowerdirs);
    for (const [name, target] of Object.entries(targets))
      expect(tree).toContain(`d/${name} 0:0 -> ${target}`);
  });

  test('an empty directory and an empty file', async () => {
    const root = files(['COPY d /d'], { 'd/file': '' });
    mkdirSync(join(root, 'd/directory'));
    const layer = await topLayer(machine(), root);
    expect(readdirSync(join(layer, 'd/directory'))).toEqual([]);
    expect(readFileSync(join(layer, 'd/file'), 'utf8')).toBe('');
  });

  test('extended attributes are kept, and a change of one is seen', async () => {
    const made = machine();
    const root = files(['COPY d /d'], { 'd/f': 'x' });
    const set = (value: string) =>
      execa('setfattr', ['-n', 'user.colour', '-v', value, join(root, 'd/f')]);
    const colour = async (layer: string) =>
      (
        await execa('getfattr', [
          '--only-values',
          '--absolute-names',
          '-n',
          'user.colour',
          join(layer, 'd/f'),
        ])
      ).stdout;
    await set('red');
    const former = await topLayer(made, root);
    await set('blue');
    expect(await colour(await topLayer(made, root))).toBe('blue');
    expect(await colour(former)).toBe('red');
  });

  test('a store whose path has a colon, a comma and a blank works in every step', async () => {
    const root = context({ Dockerfile: dockerfile('RUN echo x > /x', 'RUN cat /x') });
    const store = join(tempDir(), 'a:b, c');
    const { wiac } = machine();
    const built = await wiac(['build', '-q', '-t', 'app', root], { env: { WIAC_ROOT: store } });
    expect(built.exitCode).toBe(0);
    expect(existsSync(store)).toBe(true);
    const upper = join(tempDir(), 'upper');
    // The lowerdir string is what build printed: run has to understand its escapes.
    const run = await wiac(['run', built.stdout.trimEnd(), upper, '/bin/cat', '/x']);
    expect(run).toMatchObject({ exitCode: 0, stdout: 'x\n' });
  });
});
