/** The disk is full while wiac itself writes: exit code 6, nothing half made, and it works later. */
import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
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

async function expectFull(disk: Disk, args: readonly string[]): Promise<void> {
  const { exitCode, stdout, stderr } = await disk.wiac(args);
  expect({ exitCode, stdout }).toEqual({ exitCode: 6, stdout: '' });
  expect(stderr).toMatch(/^wiac: .*no space left/i);
  expect(stderr).toContain('hint: ');
  expect(readdirSync(join(disk.path, 'store/tmp'))).toEqual([]);
  const verified = await disk.wiac(['cache', 'verify', '--format=json']);
  expect(JSON.parse(verified.stdout).findings).toEqual([]);
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
      rmSync(filler);
      expect((await disk.wiac(['push', 'image', target])).exitCode).toBe(0);
    }));
});
