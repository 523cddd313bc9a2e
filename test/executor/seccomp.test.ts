/** Docker's profile and those of users, and the filters that are made of them, call by call. */
import { describe, expect, test } from '@jest/globals';
import { DOCKER_PROFILE } from '../../src/executor/seccomp/docker-profile.js';
import { seccompFilter } from '../../src/executor/seccomp/filter.js';
import type { Condition, Profile } from '../../src/executor/seccomp/profile.js';
import {
  ALLOW,
  fail,
  KILL_PROCESS,
  KILL_THREAD,
  LOG,
  TRACE,
  TRAP,
} from '../../src/executor/seccomp/profile.js';
import { parseProfile } from '../../src/executor/seccomp/profile-file.js';
import { systemCalls } from '../../src/executor/seccomp/system-calls.js';
import { ask, CONVENTIONS, numbersFrom } from '../support/bpf.js';

const [EPERM, ENOSYS] = [fail(1), fail(38)];

interface Given {
  readonly host: string;
  readonly capabilities?: readonly string[];
  readonly kernel?: readonly [number, number];
}

function make(profile: Profile, { host, capabilities = [], kernel = [6, 1] }: Given): Buffer {
  const circumstances = { architecture: host, capabilities: new Set(capabilities), kernel };
  return seccompFilter(profile, circumstances) ?? Buffer.alloc(0);
}

/** What moby's default.json says, one call after the other, without a filter in between. */
function expected(
  call: string,
  args: readonly bigint[],
  { host, capabilities = [] }: Given,
): 'allow' | 'eperm' | 'enosys' {
  const has = (name: string) => capabilities.includes(name);
  const isAllowed = DOCKER_PROFILE.rules.some(({ calls, action, conditions, only, not }) => {
    if (action !== ALLOW || !calls.includes(call)) return false;
    if (only?.architectures && !only.architectures.includes(host === 'x64' ? 'amd64' : host))
      return false;
    if (only?.capabilities && !only.capabilities.every(has)) return false;
    if (not?.capabilities?.some(has)) return false;
    return conditions.every(({ argument, operator, value, masked }) => {
      const own = args[argument] ?? 0n;
      if (operator === '==') return own === value;
      if (operator === '<') return own < value;
      return (own & value) === masked;
    });
  });
  if (isAllowed) return 'allow';
  return call === 'clone3' && !has('SYS_ADMIN') ? 'enosys' : 'eperm';
}

const ANSWERS = { allow: ALLOW, eperm: EPERM, enosys: ENOSYS };

/** Values around all that the conditions speak of. */
const FIRST_ARGUMENTS = [
  ...Array.from({ length: 48 }, (_, family) => BigInt(family)),
  ...[0x1ffffn, 0x20000n, 0x20001n, 0x20008n, 0xfffffffen, 0xffffffffn, 0x100000000n],
  ...[0x10000011n, 0x7e020000n, 0x40000000n, 0x02000000n, 0x1200011n, 0x3d0f00n, 2n ** 64n - 1n],
];

const SETS = [
  ['no capability', []],
  ...DOCKER_PROFILE.rules.flatMap(({ only }) =>
    only?.capabilities ? [[only.capabilities.join(), only.capabilities] as const] : [],
  ),
] as const;

describe.each(CONVENTIONS)("Docker's profile, $name", ({ name, host, audit, wide, from }) => {
  const numbers = systemCalls(name);
  const calls = new Map([...numbers].map(([call, number]) => [number, call]));
  // The newest call that the profile speaks of.
  const last = Math.max(
    ...DOCKER_PROFILE.rules.flatMap((rule) => rule.calls.map((call) => numbers.get(call) ?? -1)),
  );

  test.each(SETS)('with %s', (_, capabilities) => {
    const given = { host, capabilities };
    const filter = make(DOCKER_PROFILE, given);
    const wrong: string[] = [];
    for (const number of numbersFrom(from)) {
      const call = calls.get(number) ?? '';
      const isSplit = ['socket', 'personality', 'clone'].includes(call);
      for (const first of isSplit ? FIRST_ARGUMENTS : [0n]) {
        // A convention of 32 bits has arguments of 32 bits.
        if (!wide && first > 0xffffffffn) continue;
        const answer = ask(filter, { audit, number, args: [first] });
        const wanted = number > last ? 'enosys' : expected(call, [first], given);
        if (answer !== ANSWERS[wanted])
          wrong.push(`${number} ${call}(${first}): ${answer.toString(16)}, not ${wanted}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe("what Docker's users rely on", () => {
  const filter = make(DOCKER_PROFILE, { host: 'x64' });
  const answers = (names: string) =>
    names.split(' ').map((call) => {
      const number = systemCalls('x64').get(call) ?? Number.NaN;
      return `${call} ${ask(filter, { audit: 0xc000003e, number }).toString(16)}`;
    });

  test.each([
    [
      'add_key bpf delete_module fsopen init_module io_uring_enter io_uring_register io_uring_setup kcmp kexec_file_load kexec_load keyctl mbind mount mount_setattr move_mount open_by_handle_at open_tree perf_event_open pidfd_getfd pivot_root quotactl reboot request_key setns settimeofday swapon syslog umount2 unshare userfaultfd',
      EPERM,
    ],
    ['clone3 open_tree_attr file_setattr', ENOSYS],
    ['clone execve landlock_create_ruleset openat2 ptrace read seccomp statx', ALLOW],
  ])('%s', (names, action) => {
    expect(answers(names)).toEqual(
      names.split(' ').map((call) => `${call} ${action.toString(16)}`),
    );
  });

  test('other conventions than the machine has end the program', () => {
    expect(ask(filter, { audit: 0x1234, number: 0 })).toBe(KILL_THREAD);
    expect(ask(filter, { audit: 0xc00000b7, number: 63 })).toBe(KILL_THREAD);
  });

  test('there is none for an architecture without containers', () => {
    expect(make(DOCKER_PROFILE, { host: 'riscv64' })).toHaveLength(0);
  });

  test('the kernel takes no longer one than 4,096 instructions', () => {
    const capabilities = DOCKER_PROFILE.rules.flatMap(({ only }) => only?.capabilities ?? []);
    for (const host of ['x64', 'arm64'])
      expect(make(DOCKER_PROFILE, { host, capabilities }).length / 8).toBeLessThan(2048);
  });
});

/** What a filter of x64 says to `read`, whose rules are these. */
function read(rules: object, args: readonly bigint[] = [], more: object = {}): number {
  const json = { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [rules].flat(), ...more };
  const profile = parseProfile(JSON.stringify(json));
  if ('wrong' in profile) throw new Error(profile.wrong);
  const filter = make(profile, { host: 'x64', capabilities: ['CHOWN'] });
  return ask(filter, { audit: 0xc000003e, number: 0, args });
}

const HALVES = [0n, 1n, 2n, 0xffffffffn];
const WORDS = HALVES.flatMap((high) => HALVES.map((low) => (high << 32n) | low));

describe('profiles of users', () => {
  const names = ['read'];
  const allowed = { names, action: 'SCMP_ACT_ALLOW' };

  test.each<[string, Condition['operator'], (a: bigint, b: bigint) => boolean]>([
    ['SCMP_CMP_EQ', '==', (a, b) => a === b],
    ['SCMP_CMP_NE', '!=', (a, b) => a !== b],
    ['SCMP_CMP_LT', '<', (a, b) => a < b],
    ['SCMP_CMP_LE', '<=', (a, b) => a <= b],
    ['SCMP_CMP_GT', '>', (a, b) => a > b],
    ['SCMP_CMP_GE', '>=', (a, b) => a >= b],
    ['SCMP_CMP_MASKED_EQ', 'masked', (a, b) => (a & b) === 0n],
  ])('%s, in both halves of an argument', (_, operator, holds) => {
    for (const value of WORDS) {
      const base = { argument: 2, operator, value };
      const condition = operator === 'masked' ? { ...base, masked: 0n } : base;
      const rule = { calls: names, action: ALLOW, conditions: [condition] };
      const filter = make({ otherwise: EPERM, rules: [rule] }, { host: 'x64' });
      for (const own of WORDS) {
        const answer = ask(filter, { audit: 0xc000003e, number: 0, args: [7n, 7n, own] });
        expect([own, value, answer]).toEqual([own, value, holds(own, value) ? ALLOW : EPERM]);
      }
    }
  });

  test('all conditions of a rule count; of one argument, one of them', () => {
    const at = (index: number, value: number) => ({ index, value, op: 'SCMP_CMP_EQ' });
    const both = { ...allowed, args: [at(0, 1), at(1, 2)] };
    expect(read(both, [1n, 2n])).toBe(ALLOW);
    expect(read(both, [1n, 3n])).toBe(EPERM);
    const either = { ...allowed, args: [at(0, 1), at(0, 2)] };
    expect([1n, 2n, 3n].map((own) => read(either, [own]))).toEqual([ALLOW, ALLOW, EPERM]);
  });

  test.each<[object, number]>([
    [{ action: 'SCMP_ACT_ERRNO', errnoRet: 22 }, fail(22)],
    [{ action: 'SCMP_ACT_ERRNO', errnoRet: 1, errno: 'ENOENT' }, fail(2)],
    [{ action: 'SCMP_ACT_KILL' }, KILL_THREAD],
    [{ action: 'SCMP_ACT_KILL_PROCESS' }, KILL_PROCESS],
    [{ action: 'SCMP_ACT_LOG' }, LOG],
    [{ action: 'SCMP_ACT_TRACE', errnoRet: 5 }, TRACE | 5],
    [{ action: 'SCMP_ACT_TRAP' }, TRAP],
    [{ action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_CHOWN'] } }, ALLOW],
    [{ action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_CHOWN', 'CAP_BPF'] } }, EPERM],
    [{ action: 'SCMP_ACT_ALLOW', excludes: { caps: ['CAP_CHOWN', 'CAP_BPF'] } }, EPERM],
    [{ action: 'SCMP_ACT_ALLOW', includes: { arches: ['amd64'] } }, ALLOW],
    [{ action: 'SCMP_ACT_ALLOW', includes: { arches: ['arm64'] } }, EPERM],
    [{ action: 'SCMP_ACT_ALLOW', excludes: { arches: ['amd64'] } }, EPERM],
    [{ action: 'SCMP_ACT_ALLOW', includes: { minKernel: '6.1' } }, ALLOW],
    [{ action: 'SCMP_ACT_ALLOW', includes: { minKernel: '6.2' } }, EPERM],
    [{ action: 'SCMP_ACT_ALLOW', excludes: { minKernel: '5.20' } }, EPERM],
    [{ action: 'SCMP_ACT_ALLOW', args: null, includes: {}, excludes: {} }, ALLOW],
  ])('%j', (rule, action) => {
    expect(read({ names, ...rule }).toString(16)).toBe(action.toString(16));
  });

  test('calls without a rule', () => {
    const none = { names: ['write'], action: 'SCMP_ACT_ALLOW' };
    expect(read(none, [], { defaultAction: 'SCMP_ACT_ALLOW' })).toBe(ALLOW);
    expect(read(none, [], { defaultErrnoRet: 38 })).toBe(ENOSYS);
    expect(read(none, [], { defaultErrno: 'EACCES', defaultErrnoRet: 38 })).toBe(fail(13));
  });

  test('conventions that a profile does not name end the program', () => {
    const json = (more: object) =>
      JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [], ...more });
    const answers = (more: object) => {
      const profile = parseProfile(json(more));
      if ('wrong' in profile) throw new Error(profile.wrong);
      const filter = make(profile, { host: 'x64' });
      return CONVENTIONS.slice(0, 3).map(({ audit, from }) => ask(filter, { audit, number: from }));
    };
    expect(answers({})).toEqual([ALLOW, KILL_THREAD, KILL_THREAD]);
    expect(answers({ architectures: ['SCMP_ARCH_X86'] })).toEqual([ALLOW, KILL_THREAD, ALLOW]);
    const subArchitectures = ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'];
    expect(answers({ archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures }] })).toEqual([
      ALLOW,
      ALLOW,
      ALLOW,
    ]);
  });

  test.each<[string, string]>([
    ['{', 'JSON'],
    ['[]', 'has to be an object'],
    ['{}', 'defaultAction has to be a string'],
    ['{"defaultAction":"SCMP_ACT_NOTIFY"}', 'there is no SCMP_ACT_NOTIFY'],
    ['{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":5000}', 'from 0 to 4095'],
    ['{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/x"}', 'listenerPath'],
    ['{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"action":"SCMP_ACT_ALLOW"}]}', 'names'],
  ])('no profile: %s', (json, wrong) => {
    expect(parseProfile(json)).toMatchObject({ wrong: expect.stringContaining(wrong) });
  });
});
