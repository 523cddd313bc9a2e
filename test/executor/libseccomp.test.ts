/**
 * Filters of wiac beside those that libseccomp makes of the same rules, as Docker's runtimes use it: the same answer
 * to every call, and the same numbers for its name.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { DEFAULT_CAPABILITIES, namesOf } from '../../src/executor/local/capabilities.js';
import { DOCKER_PROFILE } from '../../src/executor/seccomp/docker-profile.js';
import { seccompFilter } from '../../src/executor/seccomp/filter.js';
import type { Operator, Profile } from '../../src/executor/seccomp/profile.js';
import { ALLOW, applicableRules, fail } from '../../src/executor/seccomp/profile.js';
import { parseProfile } from '../../src/executor/seccomp/profile-file.js';
import { systemCalls } from '../../src/executor/seccomp/system-calls.js';
import { ask, CONVENTIONS, numbersFrom } from '../support/bpf.js';

const directory = mkdtempSync(join(tmpdir(), 'wiac-reference-'));
const program = join(directory, 'reference');

afterAll(() => rmSync(directory, { recursive: true }));

beforeAll(async () => {
  const source = 'test/executor/libseccomp-reference.c';
  const flags = ['-Wall', '-Wextra', '-Werror', '-O1'];
  await execa('cc', [...flags, '-o', program, source, '-lseccomp']);
});

/** enum scmp_compare. */
const OPERATORS: readonly Operator[] = ['!=', '<', '<=', '==', '>=', '>', 'masked'];

/** Names of seccomp_arch_resolve_name(3). */
const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  x64: ['x86_64', 'x86', 'x32'],
  arm64: ['aarch64', 'arm'],
};

interface Reference {
  readonly filter: Buffer;
  /** Calls that it does not know. */
  readonly unknown: ReadonlySet<string>;
}

async function libseccomp(
  profile: Profile,
  host: string,
  capabilities: ReadonlySet<string>,
): Promise<Reference> {
  const rules = applicableRules(profile, { architecture: host, capabilities, kernel: [6, 1] });
  const lines = rules
    .filter(({ action }) => action !== profile.otherwise)
    .flatMap(({ calls, action, conditions }) => {
      const tests = conditions.map(
        ({ argument, operator, value, masked = 0n }) =>
          `${argument} ${OPERATORS.indexOf(operator) + 1} ${value} ${masked}`,
      );
      return calls.map((call) => ['rule', action, call, tests.length, ...tests].join(' '));
    });
  const input = [...(ARCHITECTURES[host] ?? []).map((name) => `arch ${name}`), ...lines].join('\n');
  const result = await execa(program, [String(profile.otherwise)], { input, encoding: 'buffer' });
  const unknown = Buffer.from(result.stderr).toString().split('\n').filter(Boolean);
  return { filter: Buffer.from(result.stdout), unknown: new Set(unknown) };
}

/** What the first arguments of calls are tried with. */
const VALUES = [
  ...Array.from({ length: 48 }, (_, family) => BigInt(family)),
  ...[0x20000n, 0x20008n, 0xffffffffn, 0x100000000n, 0x100000002n, 2n ** 64n - 1n],
  ...[0x10000000n, 0x02000000n, 0x7e020000n, 0x1200011n, 0x7e02000000000000n],
];

function hasConditions(profile: Profile, call: string): boolean {
  return profile.rules.some(
    ({ calls, conditions }) => conditions.length > 0 && calls.includes(call),
  );
}

/** Differences between the two filters, and how many calls were asked. */
async function compare(profile: Profile, host: 'x64' | 'arm64', names: readonly string[]) {
  const capabilities = new Set(names);
  const circumstances = { architecture: host, capabilities, kernel: [6, 1] } as const;
  const own = seccompFilter(profile, circumstances) ?? Buffer.alloc(0);
  const { filter, unknown } = await libseccomp(profile, host, capabilities);
  const wrong: string[] = [];
  let asked = 0;
  for (const { name, audit, wide, from } of CONVENTIONS.filter((each) => each.host === host)) {
    const numbers = systemCalls(name);
    const calls = new Map([...numbers].map(([call, number]) => [number, call]));
    const rules = applicableRules(profile, circumstances);
    const last = Math.max(...rules.flatMap((rule) => rule.calls.map((c) => numbers.get(c) ?? -1)));
    for (const number of numbersFrom(from)) {
      const call = calls.get(number) ?? '';
      if (unknown.has(call)) continue;
      for (const value of hasConditions(profile, call) ? VALUES : [0n]) {
        if (!wide && value > 0xffffffffn) continue;
        const args = [value, value, value];
        const answer = ask(own, { audit, number, args });
        // Newer calls than the profile's: what runc adds, test/executor/seccomp.test.ts knows.
        const wanted = number > last ? fail(38) : ask(filter, { audit, number, args });
        asked++;
        if (answer !== wanted)
          wrong.push(`${name} ${number} ${call}(${value}): ${answer}, not ${wanted}`);
      }
    }
  }
  return { wrong, asked };
}

const HOSTS = ['x64', 'arm64'] as const;

describe.each(HOSTS)("Docker's profile, %s", (host) => {
  const more = ['SYS_ADMIN', 'SYS_PTRACE', 'SYS_TIME', 'SYS_NICE', 'DAC_READ_SEARCH', 'BPF'];
  test.each([
    ['no capabilities', []],
    ["Docker's capabilities", namesOf(DEFAULT_CAPABILITIES)],
    ['more of them', more],
  ])('%s', async (_, capabilities) => {
    const { wrong, asked } = await compare(DOCKER_PROFILE, host, capabilities);
    expect(wrong).toEqual([]);
    expect(asked).toBeGreaterThan(1000);
  });
});

/** podman's profile is a file on this machine, and has other rules than Docker's. */
const PODMAN = '/usr/share/containers/seccomp.json';

test.each(HOSTS)("podman's profile, %s", async (host) => {
  expect(existsSync(PODMAN)).toBe(true);
  const profile = parseProfile(readFileSync(PODMAN, 'utf8'));
  if ('wrong' in profile) throw new Error(profile.wrong);
  for (const capabilities of [[], ['SYS_ADMIN', 'AUDIT_WRITE']])
    expect((await compare(profile, host, capabilities)).wrong).toEqual([]);
});

test.each(CONVENTIONS)('numbers of $name', async ({ name, from }) => {
  const found = new Map<number, string>();
  for (const [call, number] of systemCalls(name)) {
    const before = found.get(number);
    // One call has two names.
    if (before !== undefined) expect([before, call]).toContain('sync_file_range2');
    found.set(number, call);
    expect(number).toBeGreaterThanOrEqual(from);
  }
  expect(found.size).toBeGreaterThan(300);
});

test.each(HOSTS)('the filter that was made when wiac was built, %s', (host) => {
  const capabilities = new Set(namesOf(DEFAULT_CAPABILITIES));
  const now = { architecture: host, capabilities, kernel: [6, 17] } as const;
  const built = readFileSync(`dist/seccomp-${host}.bpf`);
  expect(built).toEqual(seccompFilter(DOCKER_PROFILE, now));
});

/** Calls that a profile allows to programs of x64 and x86, whatever their arguments. */
function allowed(profile: Profile, names: readonly string[]): Set<string> {
  const capabilities = new Set(names);
  const filter = seccompFilter(profile, { architecture: 'x64', kernel: [6, 1], capabilities });
  const found = new Set<string>();
  for (const { name, audit } of CONVENTIONS.filter(({ host }) => host === 'x64'))
    for (const [call, number] of systemCalls(name))
      if (filter && ask(filter, { audit, number, args: [0n, 0n, 0n] }) === ALLOW) found.add(call);
  return found;
}

test("Docker's profile is podman's, which began as a copy of it, but for these calls", () => {
  const profile = parseProfile(readFileSync(PODMAN, 'utf8'));
  if ('wrong' in profile) throw new Error(profile.wrong);
  const names = namesOf(DEFAULT_CAPABILITIES);
  const [docker, podman] = [allowed(DOCKER_PROFILE, names), allowed(profile, names)];
  const without = (a: Set<string>, b: Set<string>) => [...a].filter((call) => !b.has(call)).sort();
  const newer =
    'cachestat fchmodat2 futex_requeue futex_wait futex_waitv futex_wake getxattrat io_pgetevents io_pgetevents_time64 listmount listxattrat map_shadow_stack mseal removexattrat setxattrat statmount uretprobe vmsplice';
  expect(without(docker, podman)).toEqual(newer.split(' '));
  const looser =
    'clone3 fsconfig fsmount fsopen fspick get_mempolicy keyctl mbind mount mount_setattr move_mount open_tree pidfd_getfd pivot_root readdir reboot set_mempolicy setns sigaction signal sigpending sigsuspend syslog umount umount2 unshare';
  expect(without(podman, docker)).toEqual(looser.split(' '));
});
