/**
 * Contexts that change while they are copied. What is hashed is what is stored: the layer holds a
 * state of each file, and the selection that is reported, whose key the entry gets, is that state.
 */

import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { CopyReport } from '../../src/fs/layer/copy-job.js';
import { NOTHING_TO_LINK } from '../../src/fs/layer/copy-job.js';
import { makeCopyLayer } from '../../src/fs/layer/copy-layer.js';
import { measureTree } from '../../src/fs/layer/disk-usage.js';
import { withSource } from '../../src/fs/scan/file-source.js';
import { createHash64 } from '../../src/fs/scan/hash64.js';
import { openContext } from '../../src/fs/scan/local-context.js';
import type { ScanStore } from '../../src/fs/scan/scan.js';
import type { Selection } from '../../src/fs/select/select.js';
import { selectFiles } from '../../src/fs/select/select.js';
import { selectionInput } from '../../src/keys/inputs.js';
import { treeReader } from '../../src/store/entries/entries.js';
import type { OpenCounter } from '../../src/util/byte-counter.js';
import { describeTree } from '../support/tree.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, ranSteps, tempDir, writeTree } from '../support/wiac.js';

const machine = warmMachines();

const location = { file: 'Dockerfile', line: 1, column: 1, endLine: 1 };

async function memoryStore(): Promise<ScanStore> {
  const trees = new Map<string, string>();
  return {
    hash64: await createHash64(),
    getDirectory: () => undefined,
    getEntries: () => undefined,
    putDirectory: () => {},
    readTree: (digest) => trees.get(digest),
    writeTree: (digest, text) => trees.set(digest, text),
  };
}

interface Copied {
  readonly layer: string;
  readonly before: Selection[];
  readonly report: CopyReport;
}

const PLAIN = { exclude: [], parents: false };

/** Selects files, lets something happen, and copies them. */
async function copyWhile(
  root: string,
  sources: string[],
  happens: () => void,
  counter?: OpenCounter,
): Promise<Copied> {
  const store = await memoryStore();
  const layer = tempDir();
  const opened = openContext(root, undefined);
  return withSource(counter ? { ...opened, counter } : opened, async (source) => {
    const before = await selectFiles(source, store, sources, location, PLAIN);
    happens();
    const report = await makeCopyLayer(
      layer,
      {
        selections: before,
        changes: true,
        destination: { path: '', kind: 'directory', ancestors: [], obstacle: undefined },
        intoDirectory: true,
        owner: undefined,
        ownership: 'root',
        chmod: undefined,
        former: undefined,
        linkable: NOTHING_TO_LINK,
        onBytes: counter?.(undefined).add,
        location,
      },
      { read: treeReader(store.readTree), text: store.readTree, write: store.writeTree },
    );
    return { layer, before, report };
  });
}

/** What a fresh scan says of a directory. */
async function scanned(root: string, sources: string[]): Promise<unknown[]> {
  const store = await memoryStore();
  const selections = await withSource(openContext(root, undefined), (source) =>
    selectFiles(source, store, sources, location, PLAIN),
  );
  return selections.map(selectionInput);
}

/** The report is what is in the layer: a scan of the layer itself gives the same trees. */
async function expectTruth({ layer, report }: Copied): Promise<void> {
  const { files, bytes } = measureTree(layer);
  expect(report).toMatchObject({ files, bytes });
  expect(report.selections.map(selectionInput)).toEqual(await scanned(layer, ['.']));
}

test('what is read for the key, and what is copied, is counted', async () => {
  const root = tempDir();
  // wiac-sys reads what is more than a few.
  writeTree(root, Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`d/${at}`, '12345'])));
  const counted: unknown[] = [];
  const counter = (total: number | undefined) => ({
    add: (bytes: number) => counted.push(bytes),
    end: (state: string) => counted.push(total, state),
  });
  const copied = await copyWhile(root, ['.'], () => counted.push('copy'), counter);
  await expectTruth(copied);
  expect(counted).toEqual([...Array(40).fill(5), 200, 'done', 'copy', 200]);
});

test.each([
  ['', []],
  [', two of which are one', ['d/1 again']],
])('many files%s: each has its own attributes', async (_, further) => {
  const root = tempDir();
  const names = Array.from({ length: 40 }, (_, at) => `d/${at}`);
  writeTree(root, { ...Object.fromEntries(names.map((name) => [name, name])), 'd/20l': '-> 20' });
  for (const name of further) linkSync(join(root, 'd/1'), join(root, name));
  const setfattr = (name: string, value: string) =>
    expect(spawnSync('setfattr', ['-n', 'user.x', '-v', value, join(root, name)]).status).toBe(0);
  for (const name of ['d', 'd/1', 'd/20', 'd/39']) setfattr(name, name);
  const copied = await copyWhile(root, ['.'], () => {
    appendFileSync(join(root, 'd/20'), ' more');
    rmSync(join(root, 'd/30'));
  });
  for (const name of ['d', 'd/1', ...further, 'd/20', 'd/39', 'd/2']) {
    const options = ['--only-values', '-n', 'user.x', join(copied.layer, name)];
    const value = name === 'd/2' ? '' : name.replace(' again', '');
    expect(String(spawnSync('getfattr', options).stdout)).toBe(value);
  }
  await expectTruth(copied);
});

describe('between the scan and the copy', () => {
  test('nothing happens: the selections are those of before', async () => {
    const root = tempDir();
    writeTree(root, { a: '1', 'd/b': '2', l: '-> a' });
    const copied = await copyWhile(root, ['.'], () => {});
    expect(copied.report.selections).toEqual(copied.before);
    await expectTruth(copied);
  });

  test('a file is replaced by one of the same size and time', async () => {
    const root = tempDir();
    writeTree(root, { 'd/f': 'old' });
    utimesSync(join(root, 'd/f'), 1000, 1000);
    const copied = await copyWhile(root, ['.'], () => {
      writeFileSync(join(root, 'd/new'), 'new');
      utimesSync(join(root, 'd/new'), 1000, 1000);
      renameSync(join(root, 'd/new'), join(root, 'd/f'));
    });
    expect(readFileSync(join(copied.layer, 'd/f'), 'utf8')).toBe('new');
    expect(copied.report.selections[0]?.tree).not.toBe(copied.before[0]?.tree);
    await expectTruth(copied);
  });

  test('a file grows', async () => {
    const root = tempDir();
    writeTree(root, { log: 'one\n' });
    const copied = await copyWhile(root, ['.'], () => appendFileSync(join(root, 'log'), 'two\n'));
    expect(readFileSync(join(copied.layer, 'log'), 'utf8')).toBe('one\ntwo\n');
    expect(copied.report.bytes).toBe(8);
    await expectTruth(copied);
  });

  test('a link leads elsewhere: the layer has what was digested', async () => {
    const root = tempDir();
    writeTree(root, { zl: '-> one' });
    const copied = await copyWhile(root, ['.'], () => {
      rmSync(join(root, 'zl'));
      symlinkSync('two', join(root, 'zl'));
    });
    expect(readlinkSync(join(copied.layer, 'zl'))).toBe('one');
    await expectTruth(copied);
  });

  test('files and a directory vanish: they were not there', async () => {
    const root = tempDir();
    writeTree(root, { a: '1', b: '2', 'd/c': '3', 'd/e/f': '4' });
    const copied = await copyWhile(root, ['.'], () => {
      rmSync(join(root, 'a'));
      rmSync(join(root, 'd'), { recursive: true });
    });
    expect(describeTree(copied.layer)).not.toHaveProperty('a');
    await expectTruth(copied);
  });

  test('a file becomes a link, a fifo, a directory', async () => {
    const root = tempDir();
    writeTree(root, { a: '1', b: '2', c: '3' });
    const copied = await copyWhile(root, ['.'], () => {
      for (const name of ['a', 'b', 'c']) rmSync(join(root, name));
      symlinkSync('/etc/passwd', join(root, 'a'));
      mkdirSync(join(root, 'c'));
      spawnSync('mkfifo', [join(root, 'b')]);
    });
    expect(readlinkSync(join(copied.layer, 'a'))).toBe('/etc/passwd');
    await expectTruth(copied);
  });

  test('what a wildcard means vanishes', async () => {
    const root = tempDir();
    writeTree(root, { 'a.txt': '1', 'b.txt': '2' });
    const copied = await copyWhile(root, ['*.txt'], () => rmSync(join(root, 'a.txt')));
    expect(copied.report.selections.map(({ path }) => path)).toEqual(['b.txt']);
  });

  test('what is named vanishes: an error of the instruction', async () => {
    const root = tempDir();
    writeTree(root, { 'a.txt': '1' });
    await expect(
      copyWhile(root, ['a.txt'], () => rmSync(join(root, 'a.txt'))),
    ).rejects.toMatchObject({
      code: 'CONTEXT',
      location,
      message: 'a.txt was removed while it was copied',
    });
  });

  test('one of two names of a file is replaced: they are two files then', async () => {
    const root = tempDir();
    writeTree(root, { a: 'same' });
    linkSync(join(root, 'a'), join(root, 'b'));
    const copied = await copyWhile(root, ['.'], () => {
      writeFileSync(join(root, 'new'), 'diff');
      renameSync(join(root, 'new'), join(root, 'a'));
    });
    expect(readFileSync(join(copied.layer, 'a'), 'utf8')).toBe('diff');
    expect(readFileSync(join(copied.layer, 'b'), 'utf8')).toBe('same');
    await expectTruth(copied);
  });
});

describe('hard links of a context', () => {
  const inode = (layer: string, name: string) => statSync(join(layer, 'd', name)).ino;
  const top = (lowerdirs: string) => lowerdirs.split(':')[0] ?? '';

  test('two names stay one file, whatever the cache held before', async () => {
    const root = context({
      Dockerfile: dockerfile('COPY src /d'),
      'src/a': 'same',
      'src/b': 'same',
    });
    const used = machine();
    const apart = top((await used.build(root)).lowerdirs);
    expect(inode(apart, 'a')).not.toBe(inode(apart, 'b'));
    rmSync(join(root, 'src/b'));
    linkSync(join(root, 'src/a'), join(root, 'src/b'));
    const together = await used.build(root);
    expect(ranSteps(together.events)).toEqual(['COPY src /d']);
    const fresh = top((await machine().build(root)).lowerdirs);
    for (const layer of [top(together.lowerdirs), fresh])
      expect(inode(layer, 'a')).toBe(inode(layer, 'b'));
    // And apart again: a hit, since that was built before.
    rmSync(join(root, 'src/b'));
    writeFileSync(join(root, 'src/b'), 'same');
    expect(top((await used.build(root)).lowerdirs)).toBe(apart);
  });

  test('a changed file beside them: none of them is linked from the layer before', async () => {
    const root = context({ Dockerfile: dockerfile('COPY src /d'), 'src/a': '1', 'src/c': '3' });
    linkSync(join(root, 'src/a'), join(root, 'src/b'));
    const used = machine();
    await used.build(root);
    writeFileSync(join(root, 'src/c'), 'changed');
    rmSync(join(root, 'src/b'));
    writeFileSync(join(root, 'src/b'), '1');
    const layer = top((await used.build(root)).lowerdirs);
    expect(inode(layer, 'a')).not.toBe(inode(layer, 'b'));
  });

  test('a RUN that sees them through a bind mount runs again when they come apart', async () => {
    const root = context({
      Dockerfile: dockerfile('RUN --mount=type=bind,source=src,target=/m stat -c %h /m/a > /links'),
      'src/a': 'same',
    });
    linkSync(join(root, 'src/a'), join(root, 'src/b'));
    const used = machine();
    const links = async () =>
      readFileSync(join(top((await used.build(root)).lowerdirs), 'links'), 'utf8');
    expect(await links()).toBe('2\n');
    rmSync(join(root, 'src/b'));
    writeFileSync(join(root, 'src/b'), 'same');
    expect(await links()).toBe('1\n');
  });

  test('names that lie outside of what is copied do not count', async () => {
    const root = context({ Dockerfile: dockerfile('COPY src /d'), 'src/a': 'same', other: 'x' });
    linkSync(join(root, 'src/a'), join(root, 'elsewhere'));
    const { build } = machine();
    await build(root);
    rmSync(join(root, 'elsewhere'));
    expect(ranSteps((await build(root)).events)).toEqual([]);
  });
});

describe('builds of a context that changes', () => {
  test('a log of the build itself in its context, however it is written', async () => {
    const root = context({ Dockerfile: dockerfile('COPY . /d', 'RUN true') });
    const { root: store } = machine();
    const command = `"${process.execPath}" dist/wiac.cjs build --progress plain`;
    for (const redirect of ['2>"$1/err"', '2>&1 | tee "$1/log"', '>"$1/out" 2>&1']) {
      await execa('bash', ['-euo', 'pipefail', '-c', `${command} "$1" ${redirect}`, 'sh', root], {
        env: { WIAC_ROOT: store },
      });
    }
  });

  test('edits while a large file is copied: each build is what a fresh one makes of its context', async () => {
    const root = context({ Dockerfile: dockerfile('COPY c /c') });
    mkdirSync(join(root, 'c'));
    writeFileSync(join(root, 'c/big'), Buffer.alloc(120 << 20, 'x'));
    const rewrite = (text: string) => {
      writeFileSync(join(root, 'c/new'), text);
      utimesSync(join(root, 'c/new'), 1000, 1000);
      renameSync(join(root, 'c/new'), join(root, 'c/zfile'));
    };
    rewrite('one');
    symlinkSync('one', join(root, 'c/zl'));
    const used = machine();
    const building = used.build(root);
    await new Promise((resume) => setTimeout(resume, 500));
    rewrite('two');
    symlinkSync('two', join(root, 'c/zm'));
    renameSync(join(root, 'c/zm'), join(root, 'c/zl'));
    await building;
    const again = await used.build(root);
    const fresh = await machine().build(root);
    const layer = (lowerdirs: string) => join(lowerdirs.split(':')[0] ?? '', 'c');
    expect(readFileSync(join(layer(again.lowerdirs), 'zfile'), 'utf8')).toBe('two');
    expect(readlinkSync(join(layer(again.lowerdirs), 'zl'))).toBe('two');
    expect(describeTree(layer(again.lowerdirs))).toEqual(describeTree(layer(fresh.lowerdirs)));
    const { exitCode, stdout } = await used.wiac(['cache', 'verify']);
    expect({ exitCode, stdout }).toMatchObject({ exitCode: 0 });
  });

  test('a file that is named and missing is an error, and so is one below a file', async () => {
    const root = context({ Dockerfile: dockerfile('COPY a/b /c'), a: 'a file' });
    const { exitCode, stderr } = await machine().wiac(['build', root]);
    expect(exitCode).toBe(4);
    expect(stderr).toContain('a/b is not in the build context');
    expect(lstatSync(join(root, 'a')).isFile()).toBe(true);
  });
});
