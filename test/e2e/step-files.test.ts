/** Files of finished steps: `wiac shell`, `wiac diff PATH STEP`, `wiac export`. Nothing is built for them. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { context, dockerfile, machine, tempDir, writeTree } from '../support/wiac.js';

const TEXT = 'one\ntwo\nthree\n';
const DOCKERFILE = dockerfile(
  'COPY etc /etc',
  'ENV GREETING=hello',
  'WORKDIR /w',
  'USER 1000:1000',
  'RUN ["/bin/true"]',
  'USER 0',
  `RUN sed -i s/two/2/ /etc/text; rm /etc/old; printf 'a\\0b' > /etc/binary; printf new > '/etc/a new'; chmod 600 /etc/same`,
  'ENV LAST=1',
);

function project(): string {
  const directory = context({ Dockerfile: DOCKERFILE });
  writeTree(directory, { 'etc/text': TEXT, 'etc/old': 'gone\n', 'etc/same': 'x' });
  return directory;
}

test('a step that is not in the cache: what builds it', async () => {
  const { wiac, root } = machine();
  const directory = project();
  for (const words of [
    ['shell', directory, '--target', '0'],
    ['diff', directory, 'RUN sed', '--target', '0'],
    ['export', directory, '--target', '0', '-o', 'nowhere'],
  ])
    expect(await wiac(words)).toEqual({
      exitCode: 10,
      stdout: '',
      stderr: expect.stringMatching(
        `^wiac: the step .* is not in the cache\nhint: this builds it: wiac build --target 0 ${directory}\n$`,
      ),
    });
  expect(existsSync('nowhere')).toBe(false);
  expect(readdirSync(join(root, 'layers'))).toEqual([]);
});

test('shell: a program in the files of a step, with its settings; nothing is kept', async () => {
  const { wiac, build, root } = machine();
  const directory = project();
  await build(directory);
  const layers = readdirSync(join(root, 'layers'));
  const script = 'id -u; pwd; echo $GREETING $LAST; cat /etc/text; touch /dirty && ls /dirty';
  expect(await wiac(['shell', directory, '--', 'sh', '-c', script])).toEqual({
    exitCode: 0,
    stdout: `0\n/w\nhello 1\n${TEXT.replace('two', '2')}/dirty\n`,
    stderr: '',
  });
  const run = await wiac(['shell', directory, 'RUN ["/bin/true"]', '--', 'sh', '-c', script]);
  expect(run.stdout).toBe(`1000\n/w\nhello\n${TEXT}`);
  expect(run.exitCode).toBe(1);
  // Words behind -- are the program's, and its exit code is wiac's.
  const words = [
    'shell',
    '-u',
    '7',
    directory,
    's2',
    '--',
    'sh',
    '-c',
    'id -u; pwd; echo "<$GREETING>" "$@"; exit 9',
  ];
  expect(await wiac([...words, '--', '--pull', '--debug'])).toEqual({
    exitCode: 9,
    stdout: '7\n/\n<> --pull --debug\n',
    stderr: '',
  });
  // Without a command it is a shell.
  const typed = await wiac(['shell', directory, '[0 3/10]'], { input: 'ls /etc; exit 4\n' });
  expect(typed).toMatchObject({ exitCode: 4, stdout: expect.stringContaining('old\n') });
  const bare = await wiac(['shell', directory, 's1'], { input: 'ls /.wiac; exit 3\n' });
  expect(bare).toMatchObject({ exitCode: 3, stdout: 'busybox\n' });
  expect(await wiac(['shell', directory, 'USER'])).toMatchObject({
    exitCode: 2,
    stderr: expect.stringMatching(/2 steps are USER: s6, s8\nhint: give one of these ids/),
  });
  expect(await wiac(['shell', directory, 's2', 'ls'])).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('ls: a command stands behind --'),
  });
  expect(await wiac(['shell', directory, 'nosuch'])).toMatchObject({ exitCode: 10 });
  expect(readdirSync(join(root, 'layers'))).toEqual(layers);
});

test('diff: what a step did, or what is between two, with patches that apply', async () => {
  const { wiac, build } = machine();
  const directory = project();
  await build(directory, '-t', 'project');
  const files = [
    'A  3 B           /etc/a new',
    'A  3 B           /etc/binary',
    'D  5 B           /etc/old',
    'C  1 B           /etc/same    mode 0644 -> 0600',
    'C  14 B -> 12 B  /etc/text    content',
  ];
  const step = await wiac(['diff', directory, 'RUN sed']);
  expect(step.stdout.trimEnd().split('\n')).toEqual(files);
  const steps = await wiac(['diff', '--exit-code', directory, 's2', 's9']);
  expect(steps).toMatchObject({
    exitCode: 1,
    stdout: expect.stringContaining('A  12 B  /etc/text'),
  });
  expect(steps.stdout).not.toContain('/etc/old');
  expect(await wiac(['diff', '--exit-code', directory, 's9', 's10'])).toMatchObject({
    exitCode: 0,
    stdout: '',
  });
  const patch = await wiac(['diff', '-p', directory, 'RUN sed']);
  expect(patch.stdout).toContain('-two\n+2\n');
  expect(patch.stdout).toContain('Binary files /dev/null and b/etc/binary differ\n');
  expect(patch.stdout).not.toContain('etc/same');
  const tree = tempDir();
  await wiac(['export', directory, 'COPY etc', '-o', tree]);
  await execa('git', ['apply', '--exclude=etc/binary', '-'], { cwd: tree, input: patch.stdout });
  expect(readFileSync(join(tree, 'etc/text'), 'utf8')).toBe(TEXT.replace('two', '2'));
  expect(readFileSync(join(tree, 'etc/a new'), 'utf8')).toBe('new');
  expect(existsSync(join(tree, 'etc/old'))).toBe(false);
  expect(await wiac(['diff', '-p', '--json', directory, 's9'])).toMatchObject({ exitCode: 2 });
  // A directory with the name of an image is not meant, unless it is written as a path.
  const cwd = tempDir();
  mkdirSync(join(cwd, 'project'));
  writeFileSync(join(cwd, 'project/Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\n');
  expect(await wiac(['diff', 'project', 'project'], { cwd })).toMatchObject({
    exitCode: 0,
    stdout: '',
  });
  await wiac(['build', 'project'], { cwd });
  const named = await wiac(['diff', './project', 'COPY'], { cwd });
  expect(named.stdout).toMatch(/^A {2}\d+ B {2}\/Dockerfile\n$/);
});

test('export: a directory, an archive, standard output', async () => {
  const { wiac, build } = machine();
  const directory = project();
  await build(directory);
  const cwd = tempDir();
  const write = (...words: string[]) => wiac(['export', directory, ...words], { cwd });
  expect(await write('COPY etc', '-o', 'tree')).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  expect(readdirSync(join(cwd, 'tree/etc'))).toEqual(['old', 'same', 'text']);
  await write('-o', 'last.tar');
  const { stdout } = await execa('tar', ['-tf', 'last.tar', 'etc'], { cwd });
  expect(stdout.split('\n').sort()).toEqual(
    ['etc/', 'etc/a new', 'etc/binary', 'etc/same', 'etc/text'].sort(),
  );
  expect((await write('s2', '-o', '-')).stdout).toContain('bin/busybox');
  expect(await write('-o', 'type=oci,dest=x')).toMatchObject({ exitCode: 2 });
  expect(await write()).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--output') });
});

test('files that only a shared cache has are not fetched', async () => {
  const { build } = machine();
  const directory = context({
    Dockerfile: dockerfile('RUN echo made > /made', 'FROM scratch', 'COPY --from=0 /made /'),
  });
  const shared = join(tempDir(), 'shared');
  await build(directory, '--cache-to', `type=local,dest=${shared},mode=max`);
  const other = machine();
  await other.build(directory, '--cache-from', `type=local,src=${shared}`);
  expect((await other.wiac(['diff', directory, 'COPY --from'])).stdout).toBe('A  5 B  /made\n');
  expect(await other.wiac(['shell', directory, 'RUN', '--', 'ls'])).toEqual({
    exitCode: 10,
    stdout: '',
    stderr: expect.stringMatching(/not here, only in a shared cache\nhint: .* --target 0 PATH/),
  });
});
