/** Files that are written as a whole, and what must not be replaced by one. */
import {
  closeSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { writeWhole } from '../../src/oci/write-file.js';

let directory: string;
const at = (name: string) => join(directory, name);
const write = (name: string, text: string) => writeWhole(at(name), (out) => pipeline([text], out));

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'wiac-write-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

test('a new file, and one in the place of another', async () => {
  for (const text of ['one', 'two']) {
    await write('file', text);
    expect(readFileSync(at('file'), 'utf8')).toBe(text);
  }
  expect(readdirSync(directory)).toEqual(['file']);
});

test('a failure leaves the former file', async () => {
  await write('file', 'one');
  const failing = writeWhole(at('file'), async () => {
    throw new Error('full');
  });
  await expect(failing).rejects.toThrow('full');
  expect(readFileSync(at('file'), 'utf8')).toBe('one');
  expect(readdirSync(directory)).toEqual(['file']);
});

test.each(['file', './file'])('a link to %s stays one', async (link) => {
  writeFileSync(at('file'), 'one');
  symlinkSync(link, at('link'));
  symlinkSync('link', at('second'));
  await write('second', 'two');
  expect(readFileSync(at('file'), 'utf8')).toBe('two');
  for (const name of ['link', 'second']) expect(lstatSync(at(name)).isSymbolicLink()).toBe(true);
});

test('a link to a file that is not there yet', async () => {
  symlinkSync('file', at('link'));
  await write('link', 'one');
  expect(readFileSync(at('file'), 'utf8')).toBe('one');
  expect(lstatSync(at('link')).isSymbolicLink()).toBe(true);
});

test.each(['/proc/self/fd', '/dev/fd'])('an open file below %s, as /dev/stdout', async (below) => {
  const descriptor = openSync(at('file'), 'w');
  try {
    symlinkSync(`${below}/${descriptor}`, at('stdout'));
    writeSync(descriptor, 'before ');
    await write('stdout', 'result');
    writeSync(descriptor, ' after');
    expect(lstatSync(at('stdout')).isSymbolicLink()).toBe(true);
    expect(readFileSync(at('file'), 'utf8')).toBe('before result after');
  } finally {
    closeSync(descriptor);
  }
});

test('/dev/null stays a device', async () => {
  symlinkSync('/dev/null', at('null'));
  await write('null', 'nothing');
  expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true);
  expect(readdirSync(directory)).toEqual(['null']);
});

test('a process that ends at once, at a second signal, leaves nothing of it', async () => {
  const before = new Set(process.listeners('exit'));
  let end = () => {};
  const begun = new Promise<void>((resume) => {
    void writeWhole(at('file'), async (out) => {
      resume();
      await new Promise<void>((stop) => {
        end = stop;
      });
      out.destroy();
      throw new Error('stopped');
    }).catch(() => {});
  });
  await begun;
  expect(readdirSync(directory)).toHaveLength(1);
  for (const listener of process.listeners('exit')) if (!before.has(listener)) listener(0);
  expect(readdirSync(directory)).toEqual([]);
  end();
});
