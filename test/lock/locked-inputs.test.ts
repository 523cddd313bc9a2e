/** What a build takes from a lock file, what it lacks, and what the Dockerfile says otherwise. Pure. */
import { describe, expect, test } from '@jest/globals';
import { parseDockerfile } from '../../src/dockerfile/parse-dockerfile.js';
import { networkPolicy } from '../../src/lock/allow-network.js';
import { checkLock } from '../../src/lock/check-lock.js';
import type { LockedSource, LockFile } from '../../src/lock/lock-file.js';
import { formatLock } from '../../src/lock/lock-file.js';
import type { LockInput } from '../../src/lock/lock-inputs.js';
import { describeUse, isNamed } from '../../src/lock/lock-inputs.js';
import { openLockedInputs } from '../../src/lock/locked-inputs.js';
import { compareLocks, mergeLock } from '../../src/lock/merge-lock.js';
import type { RemoteSource } from '../../src/plan/remote.js';
import { getStep } from '../support/steps.js';

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
const commit = 'd'.repeat(40);
const image = (name: string, digit: string, platform = 'linux/amd64'): LockedSource => ({
  kind: 'image',
  name,
  platform,
  digest: digest(digit),
  index: digest('f'),
  usedBy: [`FROM ${name}`],
});
const HUB = 'docker.io/library/debian:12';
const GIT: LockedSource = {
  kind: 'git',
  name: 'https://h/r.git',
  commit,
  tag: 'e'.repeat(40),
  usedBy: [],
};
const HTTP: LockedSource = { kind: 'http', name: 'https://h/x', checksum: digest('c'), usedBy: [] };
const lockWith = (...sources: LockedSource[]): LockFile => ({
  dockerfile: 'D',
  platforms: ['linux/amd64', 'linux/arm64'],
  allowNetwork: [],
  sources,
});
const read = (...sources: LockedSource[]) => {
  const lock = lockWith(...sources);
  return { file: 'D.lock', text: formatLock(lock), lock };
};
const AT = { file: 'D', line: 3, column: 1, endLine: 3 };
const http = (url: string, checksum?: string): RemoteSource => ({
  type: 'http',
  url,
  name: 'x',
  checksum,
});
const git = (checksum?: string): RemoteSource => ({
  type: 'git',
  url: 'https://h/r.git',
  ref: undefined,
  subdirectory: '',
  keepGitDirectory: false,
  submodules: true,
  checksum,
});

describe('lockedInputs', () => {
  const all = read(image(HUB, 'a'), image(`h:5/i@${digest('f')}`, 'b'), GIT, HTTP);
  const lockedInputs = openLockedInputs(all, { locked: false });
  const strict = openLockedInputs(all, { locked: true });

  test('an image is found by whatever means the same, for its platform', () => {
    for (const name of ['debian:12', 'docker.io/library/debian:12', 'docker://debian:12'])
      expect(lockedInputs.image(name, 'linux/amd64', AT)).toMatchObject({ digest: digest('a') });
    expect(lockedInputs.image('debian:12', 'linux/arm64', AT)).toBeUndefined();
    expect(lockedInputs.image('debian:13', 'linux/amd64', AT)).toBeUndefined();
    const source = (platform: string, reference: string) =>
      getStep('source', 's1', { platform, reference, digest: digest('1') });
    const steps = [
      source('linux/amd64', 'debian:12'),
      source('linux/arm64', 'debian:12'),
      source('linux/amd64', 'debian:13'),
      source('linux/amd64', 'mine'),
      getStep('source', 's2', { reference: 'scratch', digest: undefined }),
      getStep('fetch', 's3', { source: http('https://h/y') }),
      getStep('fetch', 's4', { source: http('https://h/x'), locked: { content: '', by: '' } }),
    ];
    const contexts = [http('https://h/x'), http('https://h/context')];
    const warnings = lockedInputs.warnings({ steps }, contexts, (name) => name === 'mine');
    expect(warnings).toEqual([
      'image docker.io/library/debian:12 (linux/arm64) is not in D.lock and was resolved anew: wiac lock adds it',
      'image docker.io/library/debian:13 (linux/amd64) is not in D.lock and was resolved anew: wiac lock adds it',
      "image docker.io/library/mine:latest (linux/amd64) is kept on this machine alone and can't be locked: push it to a registry, and remove it here",
      'file https://h/y is not in D.lock and was resolved anew: wiac lock adds it',
      'file https://h/context is not in D.lock and was resolved anew: wiac lock adds it',
    ]);
  });

  test('with --locked what is missing is an error, at its instruction', () => {
    expect(() => strict.image('debian:13', 'linux/amd64', AT)).toThrow(
      expect.objectContaining({
        message: 'image docker.io/library/debian:13 (linux/amd64) is not in D.lock',
        location: AT,
        exitCode: 14,
      }),
    );
    expect(() => strict.remote(http('https://h/other'), AT)).toThrow(
      'file https://h/other is not in D.lock',
    );
    const branch = { ...git(), ref: 'v2' } as RemoteSource;
    expect(() => strict.remote(branch, AT)).toThrow(
      'repository https://h/r.git#v2 is not in D.lock',
    );
  });

  test('a digest of the Dockerfile agrees with the manifest or the index, or is an error', () => {
    const own = (digit: string) => lockedInputs.image(`h:5/i@${digest(digit)}`, 'linux/amd64', AT);
    expect(own('f')).toMatchObject({ digest: digest('b') });
    expect(() => own('9')).toThrow(
      `image h:5/i@${digest('f')} (linux/amd64): the Dockerfile says ${digest('9')}, D.lock says ${digest('f')}`,
    );
    expect(() => lockedInputs.image(`debian:12@${digest('9')}`, 'linux/amd64', AT)).toThrow(
      `the Dockerfile says ${digest('9')}, D.lock says ${digest('f')}`,
    );
    // A lock file whose digests were changed by hand.
    const forged = openLockedInputs(read({ ...image(`h:5/i@${digest('1')}`, 'b') }), {
      locked: false,
    });
    expect(() => forged.image(`h:5/i@${digest('1')}`, 'linux/amd64', AT)).toThrow(
      'the Dockerfile says',
    );
  });

  test('--checksum agrees with file, commit or tag, or is an error', () => {
    expect(lockedInputs.remote(http('https://h/x', digest('c')), AT)).toEqual({
      content: digest('c'),
      by: 'D.lock',
    });
    expect(() => lockedInputs.remote(http('https://h/x', digest('9')), AT)).toThrow(
      `file https://h/x: the Dockerfile says ${digest('9')}, D.lock says ${digest('c')}`,
    );
    for (const checksum of [undefined, 'ddddddd', 'eeeeeeee'])
      expect(lockedInputs.remote(git(checksum), AT)).toEqual({ content: commit, by: 'D.lock' });
    expect(() => lockedInputs.remote(git('ccccccc'), AT)).toThrow(
      `the Dockerfile says ccccccc, D.lock says ${commit}`,
    );
  });
});

describe('merging', () => {
  const before = lockWith(
    image(HUB, 'a'),
    image(HUB, 'b', 'linux/arm64'),
    image('h/old:1', 'c'),
    HTTP,
  );
  const found = [image(HUB, '9')];
  const names = ({ sources }: LockFile) =>
    sources
      .map((source) => `${source.name} ${source.kind === 'image' ? source.platform : ''}`)
      .sort();

  test('a whole lock file loses what nothing uses, and keeps the other platforms of what is used', () => {
    const after = mergeLock(before, found, { whole: true, platforms: ['linux/amd64'] });
    expect(names(after)).toEqual([`${HUB} linux/amd64`, `${HUB} linux/arm64`]);
    const all = { whole: true, platforms: ['linux/amd64', 'linux/arm64'] };
    expect(names(mergeLock(before, found, all))).toEqual([`${HUB} linux/amd64`]);
    // A stage had another platform than the lock file is for, and is gone.
    const only = { ...before, platforms: ['linux/amd64'] };
    const asked = { whole: true, platforms: ['linux/amd64'] };
    expect(names(mergeLock(only, found, asked))).toEqual([`${HUB} linux/amd64`]);
    const read = { file: 'D.lock', text: '', lock: only };
    const uses = found.map((source) => ({
      identity: source,
      asked: { reference: HUB, platform: 'linux/amd64' },
      location: AT,
      usedBy: [],
    }));
    expect(checkLock(read, uses, asked, []).map(({ message }) => message)).toContain(
      `nothing uses image ${HUB} (linux/arm64)`,
    );
    expect(compareLocks(before, after)).toEqual([
      { change: 'removed', source: 'file https://h/x', before: digest('c'), after: undefined },
      {
        change: 'changed',
        source: `image ${HUB} (linux/amd64)`,
        before: digest('a'),
        after: digest('9'),
      },
      {
        change: 'removed',
        source: 'image h/old:1 (linux/amd64)',
        before: digest('c'),
        after: undefined,
      },
    ]);
  });

  test('a target or an argument only adds: what uses a source is joined', () => {
    const other = [{ ...image(HUB, 'a'), usedBy: ['x: FROM debian:12 AS x'] }];
    const after = mergeLock(before, other, { whole: false, platforms: ['linux/amd64'] });
    expect(names(after)).toEqual(names(before));
    expect(after.sources.find(({ name }) => name === HUB && 'a')).toBeDefined();
    expect(formatLock(after)).toContain(`"usedBy":["FROM ${HUB}","x: FROM debian:12 AS x"]`);
    expect(compareLocks(before, after)).toEqual([]);
  });

  test('allow-network stays', () => {
    const allowed = { ...before, allowNetwork: ['b/RUN x'] };
    expect(mergeLock(allowed, [], { whole: true, platforms: [] }).allowNetwork).toEqual([
      'b/RUN x',
    ]);
  });

  test.each([
    ['debian', HUB, true],
    ['debian:12', HUB, true],
    [HUB, HUB, true],
    ['debian:13', HUB, false],
    ['deb', HUB, false],
    ['h:5000/i', `h:5000/i:1@${digest('a')}`, true],
    ['h', `h:5000/i`, false],
  ])('the name %s for %s: %s', (name, source, expected) => {
    expect(isNamed(name, image(source, 'a'))).toBe(expected);
  });
});

test('an instruction is named by its stage and its words, on one line and without a password', () => {
  const text = `FROM debian:12 AS Build\nADD https://u:p@h/x \\\n  /y\nFROM ${'h/'.repeat(60)}x\n`;
  const file = parseDockerfile(text, 'D');
  const uses = file.instructions.map(({ location }) => describeUse(file, location));
  expect(uses[0]).toBe('Build: FROM debian:12 AS Build');
  expect(uses[1]).toBe('Build: ADD https://h/x /y');
  expect(uses[2]).toHaveLength(103);
});

describe('checking', () => {
  const wanted = (source: LockedSource): LockInput => ({
    identity: source,
    asked: { reference: source.name, platform: 'linux/amd64' },
    location: AT,
    usedBy: [],
  });
  const scope = { whole: true, platforms: ['linux/amd64'] };

  test('complete and current', () => {
    const lock = read(image(HUB, 'a'), image('h/i:1', 'b', 'linux/arm64'));
    expect(checkLock(lock, [wanted(image(HUB, '1'))], scope, [])).toEqual([]);
  });

  test('what is missing, what nothing uses, and steps that are not there', () => {
    const lock = read(image(HUB, 'a'), HTTP);
    const problems = checkLock(lock, [wanted(image('h/new:1', '1'))], scope, ['b/RUN x']);
    expect(
      problems.map(({ message, location }) => `${location?.file}:${location?.line} ${message}`),
    ).toEqual([
      'D:3 image h/new:1 (linux/amd64) is not in D.lock',
      `D.lock:8 nothing uses image ${HUB} (linux/amd64)`,
      'D.lock:7 nothing uses file https://h/x',
      'D.lock:1 allow-network: there is no step b/RUN x',
    ]);
    // A target has fewer sources: what it does not use is no problem.
    expect(checkLock(lock, [], { ...scope, whole: false }, [])).toEqual([]);
  });
});

test('allow-network names steps by place, or by the beginning of their instruction', () => {
  const names = ['build/RUN  apt-get', 'Build/4', '0/RUN x', 'RUN x', 'build/'];
  const { mayConnect, unused } = networkPolicy(names);
  const run = (stage: string, place: number, text: string) => mayConnect({ stage, place, text });
  expect(run('build', 2, 'RUN apt-get \\\n  update')).toBe(true);
  expect(run('build', 3, 'run APT-get install')).toBe(true);
  expect(run('BUILD', 4, 'RUN y')).toBe(true);
  expect(run('build', 5, 'RUN x')).toBe(false);
  expect(run('other', 4, 'RUN apt-get')).toBe(false);
  expect(unused()).toEqual(['0/RUN x', 'RUN x', 'build/']);
});
