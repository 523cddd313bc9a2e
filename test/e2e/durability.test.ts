/** Power cuts: the next build never uses a layer that is not completely on disk. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Disk, DiskKind } from '../support/power-cut.js';
import { emptyDisk } from '../support/power-cut.js';
import { describeLayers } from '../support/tree.js';
import type { BuildEvent, Result } from '../support/wiac.js';
import { context, dockerfile, machine, ranSteps, tempDir } from '../support/wiac.js';

/** Runs a test on a disk whose power is cut once. */
async function withPowerCut(
  before: (disk: Disk) => Promise<void>,
  after: (disk: Disk) => Promise<void>,
  ...kind: Parameters<typeof emptyDisk>
): Promise<void> {
  const disk = await emptyDisk(...kind);
  let cut: Disk | undefined;
  try {
    await before(disk);
    cut = await disk.cut();
    await after(cut);
  } finally {
    await cut?.remove();
    await disk.remove();
  }
}

function getEvents({ stderr }: Result): BuildEvent[] {
  return stderr
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as BuildEvent);
}

function project(): string {
  return context({
    Dockerfile: dockerfile('COPY files /files', 'RUN echo made > /made', 'RUN cat /files/a > /b'),
    'files/a': 'a'.repeat(5000),
    'files/sub/b': 'b',
  });
}

/** Builds after the cut; the files must be those of a build in an empty store. */
async function rebuild(disk: Disk, root: string): Promise<BuildEvent[]> {
  const result = await disk.wiac(['build', '--progress=json', root]);
  expect(result).toMatchObject({ exitCode: 0 });
  const fresh = await describeLayers((await machine().build(root)).lowerdirs);
  expect(await describeLayers(result.stdout.trimEnd())).toEqual(fresh);
  const verified = await disk.wiac(['cache', 'verify', '--deep', '--format', 'json']);
  expect(JSON.parse(verified.stdout)).toMatchObject({ findings: [] });
  return getEvents(result);
}

describe('the power is cut when a build has just ended', () => {
  test.each(['', 'batch', 'full'])('WIAC_SYNC=%s: nothing runs again', async (mode) => {
    const root = project();
    await withPowerCut(
      async ({ wiac }) => {
        expect(
          (await wiac(['build', '-q', '-t', 'kept', root], { WIAC_SYNC: mode })).exitCode,
        ).toBe(0);
      },
      async (disk) => {
        expect(ranSteps(await rebuild(disk, root))).toEqual([]);
        expect((await disk.wiac(['run', 'kept', '/bin/cat', '/made'])).stdout).toBe('made\n');
      },
    );
  });

  test('WIAC_SYNC=none: what was made is dropped, with a warning, and made again', async () => {
    const root = project();
    await withPowerCut(
      async ({ wiac }) => {
        const env = { WIAC_SYNC: 'none' };
        expect((await wiac(['build', '-q', '-t', 'lost', root], env)).exitCode).toBe(0);
      },
      async (disk) => {
        // This is what the entries would have led to: the files are there and empty, or are not.
        const layers = join(disk.path, 'store/layers');
        const made = readdirSync(layers).map((id) => join(layers, id, 'diff/made'));
        const whole = made.filter((path) => existsSync(path) && readFileSync(path, 'utf8') !== '');
        expect(whole).toEqual([]);
        const events = await rebuild(disk, root);
        expect(ranSteps(events)).toHaveLength(4);
        expect(events[0]).toEqual({
          type: 'warning',
          message: expect.stringMatching(/dropped 4 layers, with the images lost:latest;/),
        });
        expect((await disk.wiac(['images'])).stdout).not.toContain('lost');
      },
    );
  });

  test('a later build without steps to run puts on disk what a killed one left', async () => {
    const root = project();
    await withPowerCut(
      async ({ wiac }) => {
        await wiac(['build', '-q', root], { WIAC_SYNC: 'none' });
        await wiac(['build', '-q', root]);
      },
      async (disk) => expect(ranSteps(await rebuild(disk, root))).toEqual([]),
    );
  });
});

describe('the disk goes, and comes back within the boot', () => {
  test.each<DiskKind>(['ext4', 'xfs'])('%s: what it lost is made again', async (kind) => {
    const root = project();
    const later = context({ Dockerfile: dockerfile('RUN echo later > /later') });
    const disk = await emptyDisk(kind === 'xfs' ? '320M' : '64M', kind);
    let again: Disk | undefined;
    try {
      expect((await disk.wiac(['build', '-q', root])).exitCode).toBe(0);
      expect((await disk.wiac(['build', '-q', later], { WIAC_SYNC: 'none' })).exitCode).toBe(0);
      again = await disk.unplug();
      const events = await rebuild(again, later);
      expect(events[0]).toEqual({
        type: 'warning',
        message: expect.stringMatching(/or the disk, went down before .* dropped 1 layer;/),
      });
      expect(ranSteps(events)).toHaveLength(1);
      // What was certainly there is there.
      expect(ranSteps(await rebuild(again, root))).toEqual([]);
    } finally {
      await again?.remove();
      await disk.remove();
    }
  });
});

describe('the power is cut when others have written a lot to the same disk', () => {
  const OTHERS = 96 << 20;
  /** ext4 writes data at once when half of its room is taken by what is not written. */
  const SIZE = '2G';
  /** Another program's file, in the kernel's hands. */
  const writeOther = ({ path }: Disk) =>
    writeFileSync(join(path, 'other'), Buffer.alloc(OTHERS, 'x'));
  const isWhole = ({ path }: Disk) => {
    const other = join(path, 'other');
    return existsSync(other) && readFileSync(other).equals(Buffer.alloc(OTHERS, 'x'));
  };

  /** The kernel writes of its own accord now and then, as when memory is short: then nothing is shown yet. */
  async function isCutUnwritten(
    kind: DiskKind,
    build: (disk: Disk) => Promise<void>,
    after: (disk: Disk) => Promise<void>,
  ): Promise<boolean> {
    let isUnwritten = false;
    await withPowerCut(
      build,
      async (disk) => {
        isUnwritten = !isWhole(disk);
        await after(disk);
      },
      SIZE,
      kind,
      OTHERS,
    );
    return isUnwritten;
  }

  /** Tries it again when it is false. */
  async function soon(trial: () => Promise<boolean>): Promise<void> {
    for (let left = 3; left > 0; left -= 1) if (await trial()) return;
    throw new Error('what others had written was on disk, each time');
  }

  test.each<[string, DiskKind, Record<string, string>]>([
    ['a build', 'ext4', {}],
    ['each step', 'ext4', { WIAC_SYNC: 'full' }],
    ['a build', 'xfs', {}],
  ])('%s on %s does not wait for that, and nothing of it runs again', async (_, kind, env) => {
    const root = project();
    const build = async (disk: Disk) => {
      writeOther(disk);
      const { exitCode } = await disk.wiac(['build', '-q', '-t', 'kept', root], env);
      expect(exitCode).toBe(0);
    };
    const after = async (disk: Disk) => {
      expect(ranSteps(await rebuild(disk, root))).toEqual([]);
      expect((await disk.wiac(['run', 'kept', '/bin/cat', '/made'])).stdout).toBe('made\n');
    };
    await soon(() => isCutUnwritten(kind, build, after));
  });

  test('when the index is gone as well, nothing of it is trusted that may not be there', async () => {
    const root = project();
    await withPowerCut(
      async (disk) => {
        writeOther(disk);
        await disk.wiac(['build', '-q', root]);
      },
      async (disk) => {
        rmSync(join(disk.path, 'store/index'), { recursive: true });
        expect(ranSteps(await rebuild(disk, root))).toHaveLength(4);
      },
      SIZE,
      'ext4',
      OTHERS,
    );
  });

  test.each<[DiskKind, string]>([
    ['ext4', 'none'],
    ['ext4', 'batch'],
    ['xfs', 'batch'],
  ])(
    'layers that were linked from others, and large ones, are complete on %s (before: %s)',
    async (kind, mode) => {
      const files = Object.fromEntries(
        Array.from({ length: 300 }, (_, index) => [`files/d${index % 7}/f${index}`, `${index}\n`]),
      );
      await soon(async () => {
        const root = context({
          Dockerfile: dockerfile(
            'COPY files /files',
            'RUN mkdir /big; yes | head -c 9000000 > /big/file; ln /big/file /big/link',
          ),
          ...files,
        });
        const buildTwice = async (disk: Disk) => {
          await disk.wiac(['build', '-q', root], { WIAC_SYNC: mode });
          writeFileSync(join(root, 'files/d0/f0'), 'changed\n');
          writeFileSync(join(root, 'files/d1/new'), 'new\n');
          mkdirSync(join(root, 'files/new'));
          symlinkSync('f', join(root, 'files/new/link'));
          writeOther(disk);
          await disk.wiac(['build', '-q', root]);
        };
        return isCutUnwritten(kind, buildTwice, async (disk) => {
          expect(ranSteps(await rebuild(disk, root))).toEqual([]);
        });
      });
    },
  );

  test('files that are links into a layer on disk are not looked at', async () => {
    const files = Array.from({ length: 300 }, (_, index) => [`files/f${index}`, `${index}\n`]);
    const root = context({
      Dockerfile: dockerfile('COPY files /files'),
      ...Object.fromEntries(files),
    });
    const log = join(tempDir(), 'log');
    const disk = await emptyDisk(SIZE, 'ext4', OTHERS);
    try {
      await disk.wiac(['build', '-q', root]);
      writeFileSync(join(root, 'files/f0'), 'changed\n');
      writeOther(disk);
      const strace = ['strace', '-f', '-qq', '-e', 'trace=sync_file_range', '-o', log];
      await disk.wiac(['build', '-q', root], {}, strace);
    } finally {
      await disk.remove();
    }
    const calls = readFileSync(log, 'utf8').trimEnd().split('\n').length;
    expect(calls).toBeGreaterThan(0);
    expect(calls).toBeLessThan(50);
  });
});

describe('the power is cut, and the index is gone', () => {
  test.each([
    ['batch', 0],
    ['none', 4],
  ])('WIAC_SYNC=%s: %i steps run again, none is wrong', async (mode, expected) => {
    const root = project();
    await withPowerCut(
      async ({ wiac }) => {
        await wiac(['build', '-q', root], { WIAC_SYNC: mode });
      },
      async (disk) => {
        rmSync(join(disk.path, 'store/index'), { recursive: true });
        expect(ranSteps(await rebuild(disk, root))).toHaveLength(expected);
      },
    );
  });
});

describe('the power is cut in the middle of a build', () => {
  test.each([
    ['full', ['RUN echo never']],
    ['batch', ['COPY bin /bin', 'RUN echo one > /one', 'RUN echo never']],
  ])('WIAC_SYNC=%s', async (mode, expected) => {
    const root = context({});
    const lines = ['RUN echo one > /one'];
    const waiting = 'touch /c/ready; while test ! -e /c/go; do sleep 0.1; done';
    const text = dockerfile(...lines, `RUN --mount=type=cache,target=/c ${waiting}`);
    writeFileSync(join(root, 'Dockerfile'), text);
    const disk = await emptyDisk();
    const building = disk.wiac(['build', '-q', root], { WIAC_SYNC: mode });
    let cut: Disk | undefined;
    try {
      const cache = await cacheWith('ready', disk);
      cut = await disk.cut();
      writeFileSync(join(cache, 'go'), '');
      writeFileSync(join(root, 'Dockerfile'), dockerfile(...lines, 'RUN echo never'));
      expect(ranSteps(await rebuild(cut, root))).toEqual(expected);
    } finally {
      await building;
      await cut?.remove();
      await disk.remove();
    }
  });
});

/** The cache mount's directory, once the step has written a file to it. */
async function cacheWith(name: string, { path }: Disk): Promise<string> {
  const mounts = join(path, 'store/mounts');
  for (;;) {
    const caches = existsSync(mounts) ? readdirSync(mounts) : [];
    const found = caches.find((cache) => existsSync(join(mounts, cache, name)));
    if (found !== undefined) return join(mounts, found);
    await new Promise((resume) => setTimeout(resume, 10));
  }
}

test('the power is cut as soon as the store is there: it can be opened', async () => {
  const root = context({ Dockerfile: dockerfile() });
  await withPowerCut(
    async ({ wiac }) => {
      expect((await wiac(['cache', 'ls'])).exitCode).toBe(0);
    },
    async (disk) => {
      await rebuild(disk, root);
    },
  );
});

test('blobs of a push: one that is not on disk is made again', async () => {
  const root = project();
  await withPowerCut(
    async ({ wiac, path }) => {
      await wiac(['build', '-q', '-t', 'x', root]);
      const target = `oci-layout://${join(path, 'layout')}:x`;
      // It does not wait for the disk.
      expect((await wiac(['push', 'x', target])).exitCode).toBe(0);
    },
    async ({ wiac, path }) => {
      const target = `oci-layout://${join(path, 'again')}:x`;
      // Nothing that anybody would miss is gone.
      expect(await wiac(['push', 'x', target])).toMatchObject({ exitCode: 0, stderr: '' });
      expect((await wiac(['cache', 'verify', '--deep'])).exitCode).toBe(0);
    },
  );
});

test('a WIAC_SYNC that means nothing is refused', async () => {
  const { exitCode, stderr } = await machine().wiac(['cache', 'ls'], { env: { WIAC_SYNC: 'no' } });
  expect(exitCode).toBe(2);
  expect(stderr).toContain('full, batch, none');
});
