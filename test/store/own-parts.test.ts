/** WIAC_ROOT or DATADIR names a directory in which somebody else has files. */
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { machine, tempDir } from '../support/wiac.js';

test.each(['tmp/work', 'layers/old', 'l', 'builds', 'index', 'blobs'])(
  'no store is made where %s is not of wiac, and nothing is touched there',
  async (part) => {
    const root = tempDir();
    mkdirSync(join(root, part), { recursive: true });
    writeFileSync(join(root, part, 'precious'), '');
    const { mode } = statSync(root);
    const { wiac } = machine();
    const env = { WIAC_ROOT: root };
    const [name = ''] = part.split('/');
    const said = `wiac: ${root} is no store, and can't become one: ${join(root, name)} would be a part of it, but is not wiac's\nhint: set WIAC_ROOT`;
    for (const words of [['images'], ['cache', 'prune', '--all']]) {
      const { exitCode, stderr } = await wiac(words, { env });
      expect(stderr).toContain(said);
      expect(exitCode).toBe(7);
    }
    expect(existsSync(join(root, part, 'precious'))).toBe(true);
    expect(existsSync(join(root, 'live'))).toBe(false);
    expect(statSync(root).mode).toBe(mode);
  },
);

test('a store is made beside other files, and where one was begun or lost its version', async () => {
  const root = tempDir();
  const { wiac } = machine();
  const env = { WIAC_ROOT: root };
  mkdirSync(join(root, 'tmp'));
  writeFileSync(join(root, 'mine'), '');
  expect(await wiac(['images', '-q'], { env })).toMatchObject({ exitCode: 0, stderr: '' });
  rmSync(join(root, 'format-version'));
  expect(await wiac(['images', '-q'], { env })).toMatchObject({ exitCode: 0, stderr: '' });
  expect(existsSync(join(root, 'mine'))).toBe(true);
});
