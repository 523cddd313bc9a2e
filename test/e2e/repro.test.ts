/** `wiac repro`: ways in which a step is not reproducible, and steps that are. */
import { chmodSync, copyFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { getMachine, wiacAs } from '../support/rootless.js';
import type { Result } from '../support/wiac.js';
import { context, dockerfile, machine } from '../support/wiac.js';

/** As `--json` has it. */
interface Report {
  readonly version: number;
  readonly reproducible: boolean;
  readonly platforms: readonly {
    readonly varied: readonly string[];
    readonly notVaried: readonly { readonly what: string }[];
    readonly first: { readonly step: string; readonly name: string } | null;
    readonly steps: readonly {
      readonly instruction: string;
      readonly outcome: string;
      readonly message?: string;
      readonly findings: readonly Readonly<Record<'path' | 'cause' | 'hint', string>>[];
    }[];
  }[];
}

/** What is not reproducible: the instruction, the file, what it comes from, a word of the hint. */
const WAYS: readonly (readonly [run: string, path: string, cause: string, hint: string])[] = [
  ['date > /date', '/date', 'time', 'SOURCE_DATE_EPOCH'],
  ['touch -d @$(($(date +%s) - 100000)) /old', '/old', 'mtime', 'touch -d'],
  ['find /src > /list', '/list', 'order', 'sort'],
  ["sh -c 'echo $$ > /pid'", '/pid', 'pid', '$$'],
  ['head -c 16 /dev/urandom > /random', '/random', 'random', 'seed'],
  ['hostname > /hostname', '/hostname', 'hostname', 'name of the machine'],
  ['mktemp -d > /path && rm -r $(cat /path)', '/path', 'build-path', 'fixed directory'],
  ['nproc > /cpus', '/cpus', 'cpus', 'nproc'],
  ['echo zip > /zip && /usr/bin/gzip /zip', '/zip.gz', 'gzip-header', 'gzip -n'],
  [
    'mkdir -p /app/__pycache__ && printf "\\313\\015\\015\\012$(date +%s)" > /app/__pycache__/m.pyc',
    '/app/__pycache__/m.pyc',
    'bytecode',
    'PYTHONDONTWRITEBYTECODE',
  ],
  ['date > /var/log/dpkg.log', '/var/log/dpkg.log', 'package-manager', 'rm -rf /var/log/dpkg.log'],
  // Its cache has inode numbers and times of the libraries.
  [
    'mkdir -p /usr/lib && cp $(find / -name libc.so.6 | head -n1) /usr/lib && ldconfig',
    '/var/cache/ldconfig/aux-cache',
    'ldconfig-cache',
    'rm -f',
  ],
  [
    'cat /proc/sys/kernel/random/uuid > /etc/machine-id',
    '/etc/machine-id',
    'machine-id',
    'truncate',
  ],
  [
    "printf '3\\n1\\n' | xargs -n1 -P$(nproc) sh -c 'sleep 0.$0; echo $0 >> /jobs'",
    '/jobs',
    'parallel',
    '-j1',
  ],
];

/** By themselves these are reproducible; two of them depend on what no other build has. */
const SAME = [
  'mkdir -p /tmp /etc /var/log /var/cache/ldconfig && touch /etc/ld.so.conf',
  'find /src | sort > /sorted',
  'echo zip > /same && /usr/bin/gzip -n /same',
  'echo ${LC_ALL:-C} > /locale',
  'echo umask > /umask',
  'chmod -R u=rwX,go=rX /src && rm /src/f3 && stat -c %d / /src /src/f1 | sort -u | wc -l > /devices',
];

const FAILS = 'test $(nproc) -gt 1';

const APPLETS = ['cp', 'find', 'sort', 'mktemp', 'nproc', 'xargs', 'wc'];

const report = ({ stdout }: Result) => JSON.parse(stdout) as Report;

/** What each call printed; the store is gone after the first test. */
const results = {
  all: undefined as unknown as Result,
  varied: undefined as unknown as Result,
  one: undefined as unknown as Result,
  kept: undefined as unknown as Result,
  chroot: undefined as unknown as Result,
  crun: undefined as unknown as Result,
  none: undefined as unknown as Result,
  copy: undefined as unknown as Result,
};
let left: readonly string[];

beforeAll(async () => {
  const [first = '', ...others] = SAME;
  const runs = [first, ...WAYS.map(([run]) => run), ...others, FAILS];
  const files = Object.fromEntries(
    Array.from({ length: 9 }, (_, at) => [`src/f${at}`, String(at)]),
  );
  const links = Object.fromEntries(APPLETS.map((name) => [`bin/${name}`, '-> busybox']));
  const lines = ['COPY src /src', 'COPY diff /', ...runs.map((run) => `RUN ${run}`)];
  const root = context({ ...files, ...links, Dockerfile: dockerfile(...lines) });
  copyFileSync('/sbin/ldconfig', join(root, 'bin/ldconfig'));
  const made = machine();
  const repro = (...args: string[]) => made.wiac(['repro', '-q', ...args]);
  expect(await made.wiac(['copy', '--libs', root, '/bin/gzip', '/usr/bin/'])).toMatchObject({
    exitCode: 0,
  });
  results.all = await repro('--json', root);
  if (results.all.stdout === '') throw new Error(results.all.stderr);
  results.varied = await repro(
    '--json',
    '--vary=umask,locale',
    root,
    'RUN echo umask',
    'RUN echo ${',
  );
  results.one = await made.wiac(['repro', root, 'RUN echo zip > /same']);
  results.kept = await repro('--same=cpus', '--mtime', root, 'RUN nproc');
  results.chroot = await repro(
    '--json',
    '--isolation=chroot',
    root,
    'RUN sh -c',
    'RUN find /src |',
  );
  results.crun = await repro('--json', '--runtime=crun', root, 'RUN hostname', 'RUN nproc');
  results.none = await repro(root, 'RUN nothing');
  results.copy = await repro(root, 'COPY src');
  left = readdirSync(join(made.root, 'tmp'));
}, 60_000);

const findingsOf = (result: Result, run: string) =>
  report(result).platforms[0]?.steps.find(({ instruction }) => instruction === `RUN ${run}`)
    ?.findings;

test.each(WAYS)('%s: %s, %s', (run, path, cause, hint) => {
  const findings = findingsOf(results.all, run);
  expect(findings).toMatchObject([{ path, cause, hint: expect.stringContaining(hint) }]);
});

test('nothing is said of steps that are reproducible', () => {
  const { steps = [] } = report(results.all).platforms[0] ?? {};
  const same = steps.filter(({ outcome }) => outcome === 'same');
  expect(same.map(({ instruction }) => instruction)).toEqual(SAME.map((run) => `RUN ${run}`));
  expect(same.flatMap(({ findings }) => findings)).toEqual([]);
});

test('a step that fails when it runs again is not reproducible either', () => {
  const { steps = [] } = report(results.all).platforms[0] ?? {};
  expect(steps.at(-1)).toMatchObject({
    instruction: `RUN ${FAILS}`,
    outcome: 'failed',
    message: 'the step ended with exit code 1',
  });
});

test('the first one is named, what was varied, and the exit code is its own', () => {
  expect(results.all.exitCode).toBe(13);
  const { version, reproducible, platforms } = report(results.all);
  expect({ version, reproducible }).toEqual({ version: 1, reproducible: false });
  const varied = ['time', 'pids', 'hostname', 'order', 'cpus'];
  // FROM, three COPY, and the RUN that is reproducible.
  expect(platforms).toMatchObject([{ varied, notVaried: [], first: { name: '[0 6/25]' } }]);
});

describe('what differs can be chosen', () => {
  test('umask and locale, which no other build has, only when they are asked for', () => {
    expect(findingsOf(results.varied, 'echo umask > /umask')).toMatchObject([
      {
        path: '/umask',
        cause: 'umask',
        aspects: ['mode'],
        first: 'mode 0644',
        second: 'mode 0600',
      },
    ]);
    expect(findingsOf(results.varied, 'echo ${LC_ALL:-C} > /locale')).toContainEqual(
      expect.objectContaining({ path: '/locale', cause: 'locale', aspects: ['content', 'mode'] }),
    );
  });

  test('--same leaves something as it is, --mtime counts what is written', () => {
    expect(results.kept.exitCode).toBe(13);
    expect(results.kept.stdout).toContain('/cpus: mtime\n');
    expect(results.kept.stdout).not.toContain('content');
  });

  test('what can not be varied is said', () => {
    const [chroot] = report(results.chroot).platforms;
    expect(chroot?.notVaried).toMatchObject([{ what: 'hostname' }]);
    expect(chroot?.steps.map(({ outcome }) => outcome)).toEqual(['different', 'same']);
    const [crun] = report(results.crun).platforms;
    expect(crun?.notVaried).toMatchObject([{ what: 'pids' }]);
    expect(crun?.steps.map(({ outcome }) => outcome)).toEqual(['different', 'different']);
  });
});

test('for people: progress on stderr, the result on stdout', () => {
  const { exitCode, stdout, stderr } = results.one;
  expect(exitCode).toBe(0);
  expect(stdout.split('\n')[0]).toBe(
    'reproducible: 1 RUN step made the same files twice; other in the second run: time, pids, hostname, order, cpus',
  );
  expect(stderr).toContain('second run: the same files');
});

test('a step that is not there, or that runs no program', () => {
  expect(results.none).toMatchObject({ exitCode: 10, stdout: '' });
  expect(results.none.stderr).toContain('there is no step ');
  expect(results.copy).toMatchObject({ exitCode: 10 });
  expect(results.copy.stderr).toContain('no program runs in COPY src /src');
});

test('nothing stays in the store of second runs', () => {
  expect(left).toEqual([]);
});

test('as an ordinary user', async () => {
  const runs = [
    'hostname > /hostname',
    'find /src > /list',
    "sh -c 'echo $$ > /pid'",
    'nproc > /n',
  ];
  const root = context({
    ...Object.fromEntries(Array.from({ length: 5 }, (_, at) => [`src/f${at}`, ''])),
    ...Object.fromEntries(['find', 'nproc'].map((name) => [`bin/${name}`, '-> busybox'])),
    Dockerfile: dockerfile('COPY src /src', ...[...runs, 'touch /same'].map((run) => `RUN ${run}`)),
  });
  chmodSync(root, 0o755);
  const result = await wiacAs(getMachine('ordinary'), ['repro', '-q', '--json', root]);
  expect(result.stderr).toBe('');
  const { steps = [] } = report(result).platforms[0] ?? {};
  expect(steps.map(({ findings }) => findings[0]?.cause)).toEqual([
    ...['hostname', 'order', 'pid', 'cpus'],
    undefined,
  ]);
});
