/** What two layers differ in: which differences count, what they come from, and what to do. */
import { describe, expect, test } from '@jest/globals';
import { firstDifference } from '../../src/fs/layer/compare-content.js';
import type { FileDifference } from '../../src/fs/layer/compare-layers.js';
import type { FileStats } from '../../src/fs/scan/file-stats.js';
import type { Runs } from '../../src/repro/judge.js';
import { openJudge } from '../../src/repro/judge.js';

const RUNS: Runs = {
  first: { hostname: 'wiac', cpus: 4, began: 1_700_000_000, ended: 1_700_000_010 },
  second: {
    hostname: 'another-host',
    cpus: 1,
    lastPid: 27_000,
    began: 1_700_000_100,
    ended: 1_700_000_110,
  },
  command: 'RUN something',
  timesBefore: undefined,
};

const FILE: FileStats = {
  kind: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 1,
  mtimeMs: 1_700_000_005_000,
  ctimeMs: 0,
  ino: 1,
  dev: 1,
  rdev: 0,
  nlink: 1,
};
const LATER = { ...FILE, mtimeMs: 1_700_000_105_000 };

function sample(whole: Buffer) {
  return { size: whole.length, head: whole.subarray(0, 512), window: whole, windowStart: 0, whole };
}

/** Two files with these contents. */
function differing(path: string, first: string | Buffer, second: string | Buffer): FileDifference {
  const [one, other] = [Buffer.from(first), Buffer.from(second)];
  const offset = firstDifference(one, other);
  return {
    path,
    first: FILE,
    second: LATER,
    aspects: ['content', 'mtime'],
    content: { offset, first: sample(one), second: sample(other) },
  };
}

function judge(differences: readonly FileDifference[], runs: Partial<Runs> = {}) {
  const { add, conclude } = openJudge({ ...RUNS, ...runs });
  for (const difference of differences) add(difference);
  return conclude();
}

function causeOf(difference: FileDifference, runs: Partial<Runs> = {}) {
  const [finding] = judge([difference], runs).findings;
  return finding?.cause;
}

function numbers(...values: number[]): Buffer {
  const buffer = Buffer.alloc(4 * values.length + 1);
  for (const [index, value] of values.entries()) buffer.writeUInt32LE(value, index * 4);
  return buffer;
}

/** A tar header with a time, and the file's two blocks. */
function tar(...members: readonly [name: string, time: number][]): Buffer {
  return Buffer.concat(
    members.map(([name, time]) => {
      const block = Buffer.alloc(1024);
      block.write(name, 0);
      block.write('00000000001', 124);
      block.write(time.toString(8).padStart(11, '0'), 136);
      block.write('ustar', 257);
      return block;
    }),
  );
}

const AR = (time: string) =>
  `!<arch>\n${'a.o/'.padEnd(16)}${time.padEnd(12)}0     0     644     4         \`\nabcd`;

describe('what a content comes from', () => {
  test.each<[cause: string, path: string, first: string | Buffer, second: string | Buffer]>([
    ['time', 'date', 'Tue Nov 14 22:13:20 UTC 2023\n', 'Tue Nov 14 22:15:00 UTC 2023\n'],
    ['time', 'iso', 'built 2023-11-14T22:13:20Z by me', 'built 2023-11-14T22:15:01Z by me'],
    [
      'time',
      'mail',
      'Date: Tue, 14 Nov 2023 22:13:20 +0000',
      'Date: Tue, 14 Nov 2023 22:15:00 +0000',
    ],
    ['time', 'cpp', 'x\0Nov 14 2023\0', 'x\0Nov 15 2023\0'],
    ['time', 'clock', 'at 22:13', 'at 22:15'],
    ['time', 'compact', 'v20231114221320', 'v20231114221500'],
    ['time', 'epoch', '"time": 1700000003,', '"time": 1700000104,'],
    ['time', 'ns', '1700000003123456789', '1700000104123456789'],
    ['time', 'fraction', '1700000003.25', '1700000104.5'],
    ['time', 'binary', numbers(7, 1_700_000_003, 9), numbers(7, 1_700_000_104, 9)],
    // Long before the runs: any number.
    ['unknown', 'number', 'n=1100000003', 'n=1100000104'],
    ['uuid', 'id', '94af0c6f-2941-4884-9006-6689c25e2d97', '8af046f9-d029-4b26-a574-3ff6dbcaa85c'],
    ['hostname', 'host', 'root@wiac\n', 'root@another-host\n'],
    ['pid', 'pid', 'lock.17\n', 'lock.27003\n'],
    ['unknown', 'count', 'found 17\n', 'found 40003\n'],
    ['cpus', 'cpus', 'make -j4\n', 'make -j1\n'],
    ['unknown', 'digit', 'found 3\n', 'found 1\n'],
    ['build-path', 'path', '/tmp/tmp.aB3dEf/a.c\n', '/tmp/tmp.Xy9zQw/a.c\n'],
    ['build-path', 'path', '/tmp/tmp.aB3d4\n', '/tmp/tmp.Xy9z1\n'],
    ['build-path', 'path', '/var/tmp/build-123x/a.c\n', '/var/tmp/build-4b6y/a.c\n'],
    ['locale', 'locale', 'LANG=C\n', 'LANG=en_US.UTF-8\n'],
    ['random', 'token', 'key=q8Zr7LmP2xTs', 'key=fW3nB6vYk9Jd'],
    [
      'random',
      'bytes',
      Buffer.from('00ff10e3d2c1b4a59687', 'hex'),
      Buffer.from('99aa8b7c6d5e4f302112', 'hex'),
    ],
    ['order', 'list', 'b\na\nc\n', 'c\nb\na\n'],
    ['order', 'words', 'files: b a c', 'files: c b a'],
    ['order', 'x.tar', tar(['a', 1], ['b', 1]), tar(['b', 1], ['a', 1])],
    ['locale', 'sorted', 'B\na\n', 'a\nB\n'],
    ['archive-times', 'x.tar', tar(['a', 1], ['b', 1]), tar(['a', 1], ['b', 2])],
    ['archive-times', 'lib', AR('1700000003'), AR('1700000104')],
    [
      'archive-times',
      'x.zip',
      'PK\x03\x04\x14\0\0\0\x08\0\x01\x02rest',
      'PK\x03\x04\x14\0\0\0\x08\0\x07\x02rest',
    ],
    [
      'gzip-header',
      'x.gz',
      Buffer.from('1f8b0800b8710b6b0003cb48', 'hex'),
      Buffer.from('1f8b0800ba710b6b0003cb48', 'hex'),
    ],
    [
      'compressed',
      'x.gz',
      Buffer.from('1f8b0800000000000003cb48', 'hex'),
      Buffer.from('1f8b0800000000000003aa48', 'hex'),
    ],
    [
      'bytecode',
      'm',
      Buffer.from('cb0d0d0a00000000b8710b6b', 'hex'),
      Buffer.from('cb0d0d0a00000000ba710b6b', 'hex'),
    ],
    ['unknown', 'word', 'apple\n', 'orange\n'],
  ])('%s: %s', (cause, path, first, second) => {
    expect(causeOf(differing(path, first, second))).toBe(cause);
  });
});

describe('what is known of a path or an instruction', () => {
  test.each<[cause: string, hint: string, path: string]>([
    ['package-manager', '/var/log/dpkg.log', 'var/log/dpkg.log'],
    ['package-manager', '/var/lib/apt/lists', 'var/lib/apt/lists/deb_dists_InRelease'],
    ['package-manager', 'apt-get clean', 'var/cache/apt/pkgcache.bin'],
    ['ldconfig-cache', 'aux-cache', 'var/cache/ldconfig/aux-cache'],
    ['machine-id', '/etc/machine-id', 'etc/machine-id'],
    ['machine-id', '/etc/machine-id', 'var/lib/dbus/machine-id'],
    ['random', 'ssh-keygen -A', 'etc/ssh/ssh_host_rsa_key'],
    ['time', 'chage -d', 'etc/shadow'],
    ['bytecode', 'PYTHONDONTWRITEBYTECODE', 'usr/lib/x/__pycache__/a.cpython-311.pyc'],
    ['other-cache', 'fontconfig', 'var/cache/fontconfig/0a1b.cache-8'],
    ['other-cache', 'npm cache clean', 'root/.npm/_logs/2023.log'],
    ['other-cache', '--mount=type=cache', 'root/.cache/pip/http/a'],
  ])('%s, %s: /%s', (cause, hint, path) => {
    const [finding] = judge([differing(path, 'apple', 'orange')]).findings;
    expect(finding).toMatchObject({ cause, path: `/${path}` });
    expect(finding?.hint).toContain(hint);
  });

  test.each([
    ['parallel', 'RUN make -j8 all'],
    ['parallel', 'RUN ls | xargs -n1 -P4 process'],
    ['parallel', 'RUN a & b & wait'],
    ['order', 'RUN find / > /list'],
  ])('an order is %s in %s', (cause, command) => {
    expect(causeOf(differing('list', 'b\na\nc\n', 'c\nb\na\n'), { command })).toBe(cause);
  });

  test('$RANDOM is random', () => {
    const difference = differing('r', '4711\n', '815\n');
    expect(causeOf(difference)).toBe('unknown');
    expect(causeOf(difference, { command: 'RUN echo $RANDOM' })).toBe('random');
  });
});

describe('what is not the content', () => {
  const between = (first: FileStats, second: FileStats, ...aspects: FileDifference['aspects']) => [
    { path: 'f', first, second, aspects },
  ];

  test('permissions that a umask takes away', () => {
    const both = (one: number, other: number) =>
      judge(between({ ...FILE, mode: one }, { ...LATER, mode: other }, 'mode')).findings[0];
    expect(both(0o644, 0o600)).toMatchObject({ cause: 'umask', first: 'mode 0644' });
    expect(both(0o644, 0o4644)).toMatchObject({ cause: 'unknown', second: 'mode 4644' });
  });

  test('a time in which a step has written a file does not count', () => {
    const written = between(FILE, LATER, 'mtime');
    expect(judge(written)).toMatchObject({ total: 0, times: 1 });
    expect(judge(written, { timesBefore: Number.POSITIVE_INFINITY })).toMatchObject({
      total: 1,
      findings: [{ cause: 'mtime', first: 'mtime 2023-11-14T22:13:25.000Z' }],
    });
    // As an image has them: nothing is younger than SOURCE_DATE_EPOCH.
    expect(judge(written, { timesBefore: 1_600_000_000 })).toMatchObject({ total: 0, times: 0 });
  });

  test('nor does that of the root, which may be made before the step begins', () => {
    const early = (mtimeMs: number) =>
      ({ ...FILE, kind: 'dir', mtimeMs: mtimeMs - 20_000 }) as const;
    const [one, other] = [early(RUNS.first.began * 1000), early(RUNS.second.began * 1000)];
    const differing = (path: string) => [{ path, first: one, second: other, aspects: ['mtime'] }];
    expect(judge(differing('') as FileDifference[])).toMatchObject({ total: 0, times: 1 });
    expect(judge(differing('d') as FileDifference[]).total).toBe(1);
  });

  test('one that the step has set does', () => {
    const set = between(
      { ...FILE, mtimeMs: 1_600_000_000_000 },
      { ...FILE, mtimeMs: 1_600_000_100_000 },
      'mtime',
    );
    expect(judge(set)).toMatchObject({ total: 1, findings: [{ cause: 'mtime' }] });
    expect(judge(set, { timesBefore: 1_600_000_050 }).total).toBe(1);
    expect(judge(set, { timesBefore: 1_500_000_000 }).total).toBe(0);
  });

  test('targets of links, and files that only one run has', () => {
    const link = { ...FILE, kind: 'symlink' } as const;
    const differences: FileDifference[] = [
      { path: 'l', first: link, second: link, aspects: ['target'], targets: ['/a4', '/a1'] },
      { path: 'gone', first: FILE, second: undefined, aspects: [] },
      { path: 'run/x.17', first: FILE, second: undefined, aspects: [] },
      { path: 'run/x.27004', first: undefined, second: FILE, aspects: [] },
    ];
    expect(judge(differences).findings).toMatchObject([
      { path: '/gone', aspects: ['missing'], cause: 'unknown', second: 'nothing' },
      { path: '/l', aspects: ['target'], cause: 'cpus', first: '-> /a4' },
      { path: '/run/x.17', aspects: ['name'], cause: 'pid', second: 'x.27004' },
    ]);
  });

  test('of many paths the first thousand are kept, and all are counted', () => {
    const many = Array.from({ length: 1500 }, (_, index) => ({
      ...between(FILE, { ...LATER, mode: 0o600 }, 'mode')[0],
      path: `f${index}`,
    })) as FileDifference[];
    const { findings, total } = judge(many);
    expect([findings.length, total]).toEqual([1000, 1500]);
  });
});

test('an excerpt can do nothing to a terminal', () => {
  const [finding] = judge([differing('a\u001b[2Jb', 'x\u001b[31mred', 'x\u001b[32mred')]).findings;
  expect(JSON.stringify(finding)).not.toContain('\\u001b');
  expect(finding).toMatchObject({ path: '/a\\x1b[2Jb', first: 'x\\x1b[31mred' });
});

test('a directory in which each of 100,000 files has another name', () => {
  const names = (side: 'first' | 'second') =>
    Array.from({ length: 100_000 }, (_, index): FileDifference => {
      const none = { first: undefined, second: undefined };
      return { path: `d/${side}${index}`, ...none, [side]: FILE, aspects: [] };
    });
  const { findings, total } = judge([...names('first'), ...names('second')]);
  expect(total).toBe(100_000);
  expect(findings).toHaveLength(1000);
});
