/** The disk is full while wiac itself writes: exit code 6, nothing half made, and it works later. */
import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { TreeDigest } from '../../src/keys/digest.js';
import { getTables } from '../../src/store/index/tables.js';
import { write } from '../../src/store/index/transaction.js';
import { readNotesFile, writeNotesFile } from '../../src/store/pins/notes-file.js';
import { closeStore, openStore } from '../../src/store/store.js';
import type { Disk } from '../support/power-cut.js';
import { emptyDisk } from '../support/power-cut.js';
import { context, dockerfile, machine, tempDir } from '../support/wiac.js';

const BIG = 12_000_000;

/** An image larger than the disk, in an OCI layout elsewhere. */
async function bigImage(): Promise<string> {
  const { wiac } = machine();
  const root = context({ Dockerfile: dockerfile('COPY big /big') });
  writeFileSync(join(root, 'big'), randomBytes(BIG));
  const layout = `oci-layout://${join(tempDir(), 'layout')}:big`;
  await wiac(['build', '-q', '-t', 'big', root]);
  expect((await wiac(['push', 'big', layout])).exitCode).toBe(0);
  return layout;
}

/** A file that takes nearly all that is left. */
function fill(disk: Disk, bytes: number): string {
  const file = join(disk.path, 'filler');
  writeFileSync(file, randomBytes(bytes));
  return file;
}

const isDamage = ({ severity }: { severity: string }) => severity === 'damage';

async function expectFull(disk: Disk, args: readonly string[]): Promise<void> {
  const { exitCode, stdout, stderr } = await disk.wiac(args);
  expect({ exitCode, stdout }).toEqual({ exitCode: 6, stdout: '' });
  expect(stderr).toMatch(/^wiac: .*no space left/i);
  expect(stderr).toContain('hint: ');
  const left = readdirSync(join(disk.path, 'store/tmp'));
  // Which records the next command has to put right, where there was no room for a transaction.
  const notes = left.filter((name) => name.startsWith('records.'));
  expect(left).toEqual(notes);
  const verified = await disk.wiac(['cache', 'verify', '--format=json']);
  const { findings } = JSON.parse(verified.stdout);
  expect(notes.length > 0 ? findings.filter(isDamage) : findings).toEqual([]);
}

async function onDisk(action: (disk: Disk) => Promise<void>): Promise<void> {
  const disk = await emptyDisk('16M');
  try {
    await action(disk);
  } finally {
    await disk.remove();
  }
}

describe('no space left', () => {
  test('for the files of a COPY', () =>
    onDisk(async (disk) => {
      const root = context({ Dockerfile: dockerfile('COPY big /big'), big: '' });
      writeFileSync(join(root, 'big'), randomBytes(BIG));
      const filler = fill(disk, 2_000_000);
      await expectFull(disk, ['build', '-q', root]);
      rmSync(filler);
      writeFileSync(join(root, 'big'), 'small');
      expect((await disk.wiac(['build', '-q', root])).exitCode).toBe(0);
    }));

  test('for the layers of an image', async () => {
    const layout = await bigImage();
    await onDisk(async (disk) => {
      // Blob and files do not both fit.
      await expectFull(disk, ['pull', layout, '-t', 'big']);
      const root = context({ Dockerfile: dockerfile('RUN echo x > /x') });
      expect((await disk.wiac(['build', '-q', root])).exitCode).toBe(0);
    });
  });

  test('for the blobs of a push', () =>
    onDisk(async (disk) => {
      const root = context({ Dockerfile: dockerfile('COPY big /big') });
      writeFileSync(join(root, 'big'), randomBytes(BIG / 3));
      expect((await disk.wiac(['build', '-q', '-t', 'image', root])).exitCode).toBe(0);
      const filler = fill(disk, 6_000_000);
      const target = `oci-layout://${join(tempDir(), 'layout')}:x`;
      await expectFull(disk, ['push', 'image', target]);
      const archive = `type=oci,dest=${join(tempDir(), 'image.tar')}`;
      await expectFull(disk, ['build', '-q', '-t', 'image', '-o', archive, root]);
      const cache = `type=local,dest=${join(tempDir(), 'cache')},mode=max`;
      await expectFull(disk, ['build', '-q', '--cache-to', cache, root]);
      rmSync(filler);
      expect((await disk.wiac(['push', 'image', target])).exitCode).toBe(0);
    }));

  test('for notes, which nothing depends on: no failure, and nothing is left', () =>
    onDisk(async (disk) => {
      const store = await openStore(join(disk.path, 'store'), 'none');
      writeNotesFile(store, 'cacheNotes', 'a', 'former');
      const before = readdirSync(store.paths.tmp);
      try {
        // Longer than the disk.
        writeNotesFile(store, 'cacheNotes', 'a', Buffer.alloc(17 << 20));
        expect(readNotesFile(store, 'cacheNotes', 'a')?.length).toBe('former'.length);
        expect(readdirSync(store.paths.tmp)).toEqual(before);
      } finally {
        await closeStore(store);
      }
    }));

  test('for a part of what the index writes', () =>
    onDisk(async (disk) => {
      const store = await openStore(join(disk.path, 'store'));
      try {
        const index = getTables(store);
        const put = (prefix: string, rows: number) =>
          write(index, () => {
            for (let at = 0; at < rows; at += 1)
              index.trees.putSync(`${prefix}${at}` as TreeDigest, 'x'.repeat(1000));
          });
        put('few', 1);
        const { bavail, bsize } = statfsSync(disk.path);
        fill(disk, bavail * bsize - 300_000);
        // Half of it has room in no case.
        expect(() => put('many', 3000)).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
        expect(index.trees.get('few0' as TreeDigest)).toHaveLength(1000);
      } finally {
        await closeStore(store);
      }
    }));
});
