/** Blobs on their way into a store whose disk is nearly full. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { teeToFile } from '../../src/store/blobs/blobs.js';

let root: string;
let disk: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'wiac-tee-'));
  disk = join(root, 'disk');
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]);
});

afterEach(() => {
  execFileSync('umount', [disk]);
  rmSync(root, { recursive: true });
});

async function tee(bytes: number): Promise<number> {
  let passed = 0;
  const source = Readable.from([Buffer.alloc(bytes, 'x')]);
  for await (const chunk of teeToFile(source, join(disk, 'blob'))) passed += chunk.length;
  return passed;
}

test('what fits is written', async () => {
  expect(await tee(60_000)).toBe(60_000);
  expect(readFileSync(join(disk, 'blob'))).toHaveLength(60_000);
});

test('a piece of which the disk takes a part is no whole blob', async () => {
  await expect(tee(100_000)).rejects.toMatchObject({ code: 'ENOSPC' });
});
