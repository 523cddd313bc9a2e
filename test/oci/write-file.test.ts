import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { expect, test } from '@jest/globals';
import { writeArchive } from '../../src/oci/oci-archive.js';
import { writeWhole } from '../../src/oci/write-file.js';
import { temporaryDirectory } from './helpers.js';

const root = temporaryDirectory();
const file = join(root, 'file');

async function* breaking(): AsyncGenerator<Buffer> {
  yield Buffer.from('half');
  throw new Error('broken');
}

test('a failure leaves the file that was there, and nothing else', async () => {
  await writeWhole(file, (output) => pipeline([Buffer.from('whole')], output));
  const atOnce = writeWhole(file, async () => {
    throw new Error('broken');
  });
  await expect(atOnce).rejects.toThrow('broken');
  const halfWay = writeWhole(file, (output) =>
    pipeline(Readable.from(breaking(), { objectMode: false }), output),
  );
  await expect(halfWay).rejects.toThrow('broken');
  expect(readdirSync(root)).toEqual(['file']);
  expect(readFileSync(file, 'utf8')).toBe('whole');
});

test('an archive whose member is missing leaves the archive that was there', async () => {
  const archive = join(root, 'archive.tar');
  writeFileSync(archive, 'before');
  const members = [
    { path: 'a', content: { bytes: Buffer.from('a') } },
    { path: 'b', content: { file: join(root, 'missing') } },
  ];
  await expect(writeArchive(archive, members, 'oci-archive:x')).rejects.toThrow(
    /^cannot write oci-archive:x: ENOENT/,
  );
  expect(readdirSync(root).sort()).toEqual(['archive.tar', 'file']);
  expect(readFileSync(archive, 'utf8')).toBe('before');
});
