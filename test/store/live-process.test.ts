/** Who is alive, and who may open the index: without any build. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { withIndexLock } from '../../src/store/index/index-lock.js';
import type { StorePaths } from '../../src/store/paths.js';
import { storePaths } from '../../src/store/paths.js';
import { leaseLinks, leaseOwner } from '../../src/store/pins/lease-links.js';
import type { ProcessId } from '../../src/store/pins/live-process.js';
import { getProcess, joinStore, PidTakenError } from '../../src/store/pins/live-process.js';
import { closeStore, openStore } from '../../src/store/store.js';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'wiac-live-'));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

const DEAD = 'aaaaaaaaaaaaaaaa-1' as ProcessId;

async function joined(): Promise<StorePaths> {
  const directories = storePaths(root);
  return { ...directories, self: await joinStore(directories), session: 'boot' };
}

describe('processes', () => {
  test('one that has left is dead, one that has not is alive, one never seen is dead', async () => {
    const [a, b] = [(await joined()).self, (await joined()).self];
    expect([b.isAlive(a.id), b.isAlive(b.id), b.isAlive(DEAD)]).toEqual([true, true, false]);
    expect(b.others()).toEqual([a.id]);
    a.leave();
    expect([b.isAlive(a.id), b.others()]).toEqual([false, []]);
    b.leave();
  });

  test('FIFOs go round: a hundred processes need no more than were made for the first', async () => {
    const { self, freeFifos } = await joined();
    const made = readdirSync(freeFifos).length + 1;
    for (let number = 0; number < 100; number++) (await joined()).self.leave();
    self.leave();
    expect(readdirSync(freeFifos)).toHaveLength(made);
  });

  test('those of processes that were killed are taken back', async () => {
    const { self, live, freeFifos } = await joined();
    execFileSync('mkfifo', [join(live, DEAD)]);
    const free = readdirSync(freeFifos).length;
    self.sweep();
    expect(readdirSync(live).filter((name) => name !== 'free')).toEqual([self.id]);
    expect(readdirSync(freeFifos)).toHaveLength(free + 1);
    self.leave();
  });

  test('a hundred at once each get one of their own', async () => {
    const all = await Promise.all(Array.from({ length: 100 }, joined));
    expect(new Set(all.map(({ self }) => self.id)).size).toBe(100);
    expect(all[0]?.self.others()).toHaveLength(99);
    for (const { self } of all) self.leave();
    expect(all[0]?.self.others()).toEqual([]);
  });

  test('a pid that another container has is refused', async () => {
    const { live, self } = await joined();
    const other = join(live, `bbbbbbbbbbbbbbbb-${process.pid}`);
    execFileSync('mkfifo', [other]);
    const script = `fs.openSync(process.argv[1], 'r+'); console.log('open'); setTimeout(() => {}, 60_000)`;
    const holder = spawn(process.execPath, ['-e', script, other]);
    await once(holder.stdout, 'data');
    await expect(joined()).rejects.toThrow(PidTakenError);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    const next = await joined();
    next.self.leave();
    self.leave();
  });

  test('the id is found at the end of a name in tmp/', () => {
    expect(getProcess(`bbbbbbbbbbbbbbbb.${DEAD}`)).toBe(DEAD);
    expect(getProcess('index.1.2.3')).toBe(undefined);
  });
});

describe('the lock of the index', () => {
  test('one at a time, in one process and in several', async () => {
    const all = await Promise.all(Array.from({ length: 10 }, joined));
    let inside = 0;
    await Promise.all(
      all.map((paths) =>
        withIndexLock(paths, async () => {
          inside += 1;
          expect(inside).toBe(1);
          await new Promise((resume) => setTimeout(resume, 2));
          inside -= 1;
        }),
      ),
    );
    for (const { self } of all) self.leave();
  });

  test('that of a dead process is void, whoever finds it', async () => {
    const all = await Promise.all(Array.from({ length: 10 }, joined));
    symlinkSync(DEAD, join(root, 'live/index-lock'));
    const done = await Promise.all(all.map((paths, at) => withIndexLock(paths, () => at)));
    expect(done).toEqual(all.map((_, at) => at));
    for (const { self } of all) self.leave();
    expect(readdirSync(join(root, 'live'))).toEqual(['free']);
  });
});

describe('a lock or lease whose owner gives it back, and ends, while another process looks at it', () => {
  const ENDED = DEAD;
  const NEXT = 'bbbbbbbbbbbbbbbb-1' as ProcessId;

  /** Another process takes the link just before it is asked whether its owner lives. */
  function meanwhile(link: string, seen: (string | undefined)[]) {
    return (asked: ProcessId): boolean => {
      if (asked === ENDED) {
        rmSync(link);
        symlinkSync(NEXT, link);
      }
      seen.push(readlinkSync(link));
      return asked === NEXT;
    };
  }

  test("the lock of the index is the next one's", async () => {
    const paths = await joined();
    const link = join(root, 'live/index-lock');
    symlinkSync(ENDED, link);
    const seen: (string | undefined)[] = [];
    const asks = meanwhile(link, seen);
    const isAlive = (asked: ProcessId) => {
      const answer = asks(asked);
      // The next one has done what it wanted to.
      if (asked === NEXT) setImmediate(() => rmSync(link));
      return answer;
    };
    await withIndexLock({ ...paths, self: { ...paths.self, isAlive } }, () => undefined);
    expect(seen).toEqual([NEXT, NEXT]);
    paths.self.leave();
  });

  test("a lease is the next one's", () => {
    mkdirSync(join(root, 'leases'));
    const link = join(root, 'leases/key');
    symlinkSync(ENDED, link);
    const leases = leaseLinks(join(root, 'leases'));
    expect(leaseOwner(leases, 'key', meanwhile(link, []))).toEqual({ process: NEXT, lives: true });
    expect(leaseOwner(leases, 'key', () => false)).toEqual({ process: NEXT, lives: false });
  });
});

describe('the mode of a store', () => {
  const getMode = (path: string) => (statSync(path).mode & 0o777).toString(8);

  test.each(['new', 'old'])('a %s one is closed to others', async (age) => {
    const store = join(root, 'store');
    if (age === 'old') {
      await closeStore(await openStore(store));
      chmodSync(store, 0o755);
    }
    await closeStore(await openStore(store));
    expect(getMode(store)).toBe('700');
  });

  const parts = ['layers', 'index', 'l', 'tmp', 'mounts', 'live'];
  const closed = Array(parts.length).fill('700');
  const getModes = (store: string) => parts.map((name) => getMode(join(store, name)));

  test('a directory with other things in it keeps its mode, the parts of the store are closed', async () => {
    chmodSync(root, 0o755);
    writeFileSync(join(root, 'mine'), '');
    mkdirSync(join(root, 'layers'), { mode: 0o755 });
    await closeStore(await openStore(root));
    expect(getMode(root)).toBe('755');
    expect(getModes(root)).toEqual(closed);
  });

  test.each([
    ["another user's", 0o755, 12_346],
    ['one for everybody, such as /tmp,', 0o1777, 0],
  ])('%s keeps its mode, and the parts are closed', async (_, mode, owner) => {
    const store = join(root, 'store');
    mkdirSync(store);
    chownSync(store, owner, owner);
    chmodSync(store, mode);
    await closeStore(await openStore(store));
    expect(statSync(store)).toMatchObject({ uid: owner, mode: 0o040_000 + mode });
    expect(getModes(store)).toEqual(closed);
  });
});
