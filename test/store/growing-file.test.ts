import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, expect, test } from '@jest/globals';
import { createGrowingFile } from '../../src/store/blobs/growing-file.js';

const root = mkdtempSync(join(tmpdir(), 'wiac-growing-'));
afterAll(() => rmSync(root, { recursive: true }));

const turn = () => new Promise((resume) => setImmediate(resume));
const chunk = (letter: string) => Buffer.from(letter.repeat(700_000));

test('readers get all bytes: those that keep up, and those that come late', async () => {
  const path = join(root, 'a');
  const file = createGrowingFile(path);
  const early = buffer(file.open());
  file.write(chunk('a'));
  await turn();
  file.write(chunk('b'));
  file.write(chunk('c'));
  const late = buffer(file.open());
  await turn();
  // The file gets its name among the blobs while it is still being sent.
  renameSync(path, join(root, 'b'));
  file.write(chunk('d'));
  file.end();
  const whole = Buffer.concat(['a', 'b', 'c', 'd'].map(chunk));
  expect((await early).equals(whole)).toBe(true);
  expect((await late).equals(whole)).toBe(true);
  expect((await buffer(file.open())).equals(whole)).toBe(true);
  file.close();
  expect(readFileSync(join(root, 'b')).equals(whole)).toBe(true);
});

test('a failure reaches readers that wait, and so does the end of the file itself', async () => {
  const file = createGrowingFile(join(root, 'c'));
  const reading = buffer(file.open());
  file.write(chunk('a'));
  await turn();
  file.end(new Error('no more'));
  await expect(reading).rejects.toThrow('no more');
  const other = createGrowingFile(join(root, 'd'));
  const left = buffer(other.open());
  await turn();
  other.close();
  await expect(left).rejects.toThrow('was closed');
  file.close();
});
