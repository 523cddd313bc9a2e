/** What facts about a machine mean. */
import { describe, expect, test } from '@jest/globals';
import type { MachineFacts } from '../../src/doctor/facts.js';
import { judge } from '../../src/doctor/judge-machine.js';
import { formatFindings } from '../../src/ui/doctor-text.js';

const works = { works: true } as const;
const fails = (why: string) => ({ works: false, why }) as const;

const RANGES = { subuid: true, subgid: true, uidmap: true, free: '165536-231071' };

const HEALTHY: MachineFacts = {
  kernel: '6.1.0-18-amd64',
  node: 'v20.15.0',
  user: { uid: 1000, name: 'joe' },
  helper: works,
  missingCalls: [],
  overlay: works,
  userNamespace: works,
  ranges: RANGES,
  noNewPrivileges: false,
  controlGroups: 2,
  programs: { pasta: true, git: true, zstd: true },
  foreign: ['arm64'],
  store: {
    root: '/s',
    writable: works,
    opens: works,
    free: 5e10,
    size: 1e11,
    type: 61267,
    clockSkew: 3,
  },
  now: Date.UTC(2026, 10, 29),
  proxies: {},
  logins: [{ file: '/auth.json', hosts: ['ghcr.io'] }],
  openFiles: 20_000,
  watches: 65_536,
};

test('a machine that lacks nothing', () => {
  expect(judge(HEALTHY).filter(({ state, mend }) => state !== 'ok' || mend)).toEqual([]);
  expect(judge({ ...HEALTHY, user: { uid: 0, name: 'root' } })).toHaveLength(13);
});

describe('what is missing, and what mends it', () => {
  const store = (facts: Partial<MachineFacts['store']>) => ({
    store: { ...HEALTHY.store, ...facts },
  });
  test.each<[string, Partial<MachineFacts>, string, RegExp, RegExp]>([
    ['kernel', { kernel: '5.10.0-28' }, 'missing', /5\.12 or newer/, /newer kernel/],
    ['kernel', { kernel: '4.19' }, 'missing', /4\.19/, /newer kernel/],
    [
      ...(['kernel', { missingCalls: ['openat2', 'open_tree'] }, 'missing'] as const),
      ...([/^6\.1\S+ without openat2, open_tree$/, /seccomp=unconfined/] as const),
    ],
    ['wiac-sys', { helper: fails('gone') }, 'missing', /^gone$/, /npm run build/],
    [
      'overlayfs',
      { overlay: fails('unknown filesystem') },
      'missing',
      /unknown/,
      /modprobe overlay/,
    ],
    [
      ...([
        'overlayfs',
        {
          user: { uid: 0, name: 'root' },
          overlay: fails('unshare: unshare failed: Operation not permitted'),
        },
      ] as const),
      ...(['missing', /unshare/, /in a container: .*SYS_ADMIN/] as const),
    ],
    ['user namespaces', { userNamespace: fails('no') }, 'missing', /^no$/, /sysctl -w user\.max/],
    [
      ...(['users', { ranges: { ...RANGES, subgid: false } }, 'missing'] as const),
      ...([
        /no ranges/,
        /^usermod --add-subuids 165536-231071 --add-subgids 165536-231071 joe$/,
      ] as const),
    ],
    [
      ...(['users', { ranges: { ...RANGES, uidmap: false } }, 'missing'] as const),
      ...([/newuidmap/, /apt-get install uidmap/] as const),
    ],
    ['users', { noNewPrivileges: true }, 'missing', /no_new_privs/, /NoNewPrivileges=/],
    ['limits', { controlGroups: undefined }, 'note', /--pids-limit/, /systemd-run/],
    ['store', store({ writable: fails('EROFS') }), 'missing', /EROFS/, /WIAC_ROOT=DIR/],
    ['store', store({ type: 0x6969 }), 'missing', /NFS/, /a disk of this machine/],
    ['disk', store({ free: 5e8 }), 'missing', /0\.5 GB/, /cache prune/],
    ['clock', { now: 0 }, 'missing', /1970/, /timedatectl/],
    ['clock', store({ clockSkew: -90_000 }), 'note', /-90 s/, /timedatectl/],
    ['open files', { openFiles: 256 }, 'note', /256/, /ulimit -n/],
    ['open files', { watches: 10 }, 'note', /--watch/, /max_user_watches/],
    ['private network', { programs: { git: true, zstd: true } }, 'note', /pasta/, /passt/],
    ['programs', { programs: { pasta: true, git: true } }, 'note', /zstd/, /install zstd$/],
    ['other platforms', { foreign: [] }, 'note', /alone/, /qemu-user-static/],
    ['logins', { logins: [] }, 'note', /no registry/, /wiac login/],
    ['logins', { logins: [{ file: '/a', hosts: [], why: 'no JSON' }] }, 'missing', /JSON/, /\/a$/],
  ])('%s: %j', (name, facts, state, text, mend) => {
    const found = judge({ ...HEALTHY, ...facts }).filter((finding) => finding.state !== 'ok');
    expect(found).toEqual([
      { name, state, text: expect.stringMatching(text), mend: expect.stringMatching(mend) },
    ]);
  });
});

test('as text: what mends it is below, and nothing drives the terminal', () => {
  const findings = judge({ ...HEALTHY, overlay: fails('\x1b[2J') });
  expect(formatFindings(findings)).toContain(
    `missing  overlayfs        \\x1b[2J\n${' '.repeat(26)}modprobe`,
  );
});
