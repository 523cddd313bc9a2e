/** What ADD takes for an archive: its first block decides, whatever is behind it. */
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { isArchive } from '../../../src/fs/archive/unpack-archive.js';
import { gnuTar, inPieces, made } from './helpers.js';

const compressed = (program: string, data: Buffer) =>
  execFileSync(program, ['-c'], { input: data, stdio: ['pipe', 'pipe', 'pipe'] });

const archive = () => gnuTar(made('echo 1 > f'));

describe.each(['gzip', 'bzip2', 'xz', 'zstd'])('%s', (program) => {
  test('a small archive', async () => {
    expect(await isArchive(inPieces(compressed(program, archive())))).toBe(true);
  });

  test('with something behind it', async () => {
    const data = Buffer.concat([compressed(program, archive()), Buffer.from('garbage\n')]);
    expect(await isArchive(inPieces(data))).toBe(true);
  });

  test('something else', async () => {
    expect(await isArchive(inPieces(compressed(program, Buffer.alloc(9000, 'text\n'))))).toBe(
      false,
    );
  });
});

// zstd(1) passes nothing on of a small file whose checksum is wrong.
test.each(['gzip', 'bzip2', 'xz'])(
  '%s: a wrong checksum at the end of an archive is no reason to copy it as it is',
  async (program) => {
    const data = compressed(program, archive());
    // Before the size in gzip.
    const at = data.length - (program === 'gzip' ? 6 : 3);
    data[at] = (data[at] ?? 0) ^ 0xff;
    expect(await isArchive(inPieces(data))).toBe(true);
  },
);
