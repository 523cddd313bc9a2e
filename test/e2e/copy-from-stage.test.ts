/** COPY --from of many files: linked or copied as a whole where one layer has them, each alone elsewhere. */
import { existsSync, lstatSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { measureTree } from '../../src/fs/layer/disk-usage.js';
import { describeLayers, describeTree } from '../support/tree.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, ranSteps } from '../support/wiac.js';

const machine = warmMachines();

/** Together enough for a request (src/fs/layer/place-subtrees.ts). */
const DIRECTORIES = 7;
const FILES = 90;

/** What a stage does with the files of its first layer. */
const CHANGES = [
  'rm /src/d1/f1',
  'echo changed > /src/d2/f0',
  'rm -r /src/d3; mkdir /src/d3; echo new > /src/d3/new',
  'ln /src/d4/f0 /src/d4/again',
  'mknod /src/d5/pipe p',
  'chown -h 3:4 /src/d5/f0',
  'mkdir -p /made/below; for i in 1 2 3; do echo $i > /made/below/$i; done; chmod 1770 /made/below',
];

function files(): Record<string, string> {
  const tree: Record<string, string> = {};
  for (let directory = 0; directory < DIRECTORIES; directory += 1)
    for (let file = 0; file < FILES; file += 1)
      tree[`src/d${directory}/f${file}`] = `${directory}.${file}\n`;
  return { ...tree, 'src/d0/link': '-> f1' };
}

const STAGE = ['COPY src /src', ...CHANGES.map((change) => `RUN ${change}`)];
const after = (...lines: string[]) =>
  `${dockerfile(...STAGE)}\nFROM scratch\n${lines.join('\n')}\n`;

/** Lines about what is in a directory, as if it had another name. */
const below = (lines: readonly string[], directory: string, name = directory) =>
  lines
    .filter((line) => line.startsWith(`${directory}/`))
    .map((line) => name + line.slice(directory.length));

const milliseconds = (path: string) => Math.floor(lstatSync(path).mtimeMs);

const inode = (path: string) => lstatSync(path).ino;

test('the layer holds what the stage shows, at the same path and at another one', async () => {
  const { build, wiac } = machine();
  const root = context({
    ...files(),
    Dockerfile: after(
      'COPY --from=0 /src /src',
      'COPY --from=0 /src /other',
      'COPY --from=0 /made /made',
      'COPY --from=0 --chown=7:8 /src /owned',
    ),
  });
  await execa('setfattr', ['-n', 'user.note', '-v', 'kept', join(root, 'src/d6/f0')]);
  const stage = (await build(root, '--target', '0')).lowerdirs.split(':');
  const shown = await describeLayers(stage.join(':'));
  const { lowerdirs, events } = await build(root);
  const [owned = '', made = '', other = '', same = ''] = lowerdirs.split(':');

  expect(below(describeTree(same), 'src')).toEqual(below(shown, 'src'));
  expect(below(describeTree(other), 'other')).toEqual(below(shown, 'src', 'other'));
  expect(below(describeTree(made), 'made')).toEqual(below(shown, 'made'));
  expect(below(describeTree(owned), 'owned').map((line) => line.replace(' 7:8 ', ' 0:0 '))).toEqual(
    below(shown, 'src', 'owned').map((line) => line.replace(' 3:4 ', ' 0:0 ')),
  );
  const first = stage.at(-2) ?? '';
  expect(inode(join(same, 'src/d0/f5'))).toBe(inode(join(first, 'src/d0/f5')));
  for (const path of ['other/d0/f5', 'owned/d0/f5'])
    expect(
      lstatSync(join(lowerdirs.split(':')[path.startsWith('owned') ? 0 : 2] ?? '', path)).nlink,
    ).toBe(1);
  for (const [layer, path] of [
    [same, 'src'],
    [other, 'other'],
  ] as const) {
    expect(inode(join(layer, path, 'd4/again'))).toBe(inode(join(layer, path, 'd4/f0')));
    expect(lstatSync(join(layer, path, 'd4/f0')).nlink).toBe(2);
    for (const name of ['d0', 'd0/f7'])
      expect(milliseconds(join(layer, path, name))).toBe(milliseconds(join(root, 'src', name)));
    const note = ['--only-values', '-n', 'user.note', join(layer, path, 'd6/f0')];
    expect((await execa('getfattr', ['--absolute-names', ...note])).stdout).toBe('kept');
    const marks = await execa('getfattr', ['-R', '-m', 'overlay', join(layer, path)]);
    expect(marks.stdout).toBe('');
  }
  expect(ranSteps(events)).toHaveLength(4);
  const listed = await wiac(['cache', 'ls', '--format', 'json']);
  const rows = JSON.parse(listed.stdout) as Record<string, unknown>[];
  for (const layer of [owned, made, other, same]) {
    const row = rows.find((entry) => layer.endsWith(String(entry.layer)));
    const { files: entries, bytes } = measureTree(realpathSync(layer));
    expect(row).toMatchObject({ files: entries, bytes });
  }
  expect((await wiac(['cache', 'verify', '--deep'])).exitCode).toBe(0);
});

test('directories that one layer has as a whole; what is left out, and what the former layer has', async () => {
  const { build, wiac } = machine();
  const stage = ['COPY src /src'];
  const lines = [
    'COPY --from=0 /src /src',
    'COPY --from=0 /src /other',
    'COPY --from=0 --exclude=d1/f* /src /some',
    '',
  ];
  const text = (change: string) =>
    `${dockerfile(...stage, `RUN ${change}`)}\nFROM scratch\n${lines.join('\n')}`;
  const root = context({ ...files(), Dockerfile: text('echo 1 > /one') });
  const before = (await build(root)).lowerdirs.split(':');
  const [some = '', other = '', same = ''] = before;
  expect(describeTree(join(same, 'src'))).toEqual(describeTree(join(root, 'src')));
  expect(describeTree(join(other, 'other'))).toEqual(describeTree(join(root, 'src')));
  expect(describeTree(join(some, 'some'))).toEqual(
    describeTree(join(root, 'src')).filter((line) => !line.startsWith('d1/')),
  );
  expect(lstatSync(join(other, 'other/d0/f0')).nlink).toBe(1);
  expect(lstatSync(join(same, 'src/d0/f0')).nlink).toBe(2);

  writeFileSync(join(root, 'Dockerfile'), text('echo changed > /src/d2/f3'));
  const now = (await build(root, '-t', 'kept')).lowerdirs.split(':');
  const [, otherNow = '', sameNow = ''] = now;
  for (const [layer, former, path] of [
    [sameNow, same, 'src'],
    [otherNow, other, 'other'],
  ] as const) {
    expect(readFileSync(join(layer, path, 'd2/f3'), 'utf8')).toBe('changed\n');
    expect(readFileSync(join(former, path, 'd2/f3'), 'utf8')).toBe('2.3\n');
    for (const file of ['d2/f4', 'd0/f0'])
      expect(inode(join(layer, path, file))).toBe(inode(join(former, path, file)));
  }
  expect((await wiac(['cache', 'verify', '--deep'])).exitCode).toBe(0);
  // What was linked stays when the stage goes.
  const shown = describeTree(sameNow);
  expect((await wiac(['cache', 'prune', '--all'])).exitCode).toBe(0);
  expect(existsSync(same)).toBe(false);
  expect(describeTree(sameNow)).toEqual(shown);
});
