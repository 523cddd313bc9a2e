/** What the options of a build do for an ordinary user, and in the article's chroot. */
import { chmodSync, chownSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { accessList } from '../support/access-list.js';
import { getMachine, MODES, ORDINARY_UID, stepOutput, wiacAs } from '../support/rootless.js';
import { context, dockerfile, tempDir } from '../support/wiac.js';

describe.each(MODES)('$user, --isolation=$isolation', ({ user, isolation }) => {
  const flags = [`--isolation=${isolation}`];

  test('--volume, --dns, --no-hosts, --cap-drop', async () => {
    const made = getMachine(user);
    const source = tempDir();
    chmodSync(source, 0o777);
    if (user === 'ordinary') chownSync(source, ORDINARY_UID, ORDINARY_UID);
    writeFileSync(join(source, 'file'), 'of the machine\n');
    const root = context({
      Dockerfile: dockerfile(
        'COPY hosts /etc/hosts',
        'RUN cat /v/file /etc/hosts /etc/resolv.conf && echo back > /v/written',
        'RUN touch /over/x && grep CapBnd /proc/self/status',
      ),
      hosts: 'own hosts\n',
    });
    const lines = await stepOutput(made, root, [
      ...flags,
      ...['-v', `${source}:/v`, `--volume=${source}:/over:O`, '--dns=1.2.3.4', '--dns-search=.'],
      ...['--no-hosts', '--cap-drop=all'],
    ]);
    expect(lines.slice(0, 3)).toEqual(['of the machine', 'own hosts', 'nameserver 1.2.3.4']);
    expect(lines.at(-1)).toMatch(/^CapBnd:\s+0+$/);
    expect(readFileSync(join(source, 'written'), 'utf8')).toBe('back\n');
  });

  test('--squash', async () => {
    const made = getMachine(user);
    const base = context({
      Dockerfile: dockerfile('RUN mkdir /dir /gone && touch /dir/old /gone/old /file'),
    });
    await stepOutput(made, base, [...flags, '-t', 'base']);
    const root = context({
      Dockerfile: [
        'FROM base',
        'RUN rm -r /gone /file && rm -r /dir && mkdir /dir && touch /dir/new',
        'RUN chown 5:6 /dir/new && touch /temporary',
        'RUN rm /temporary',
        '',
      ].join('\n'),
    });
    await stepOutput(made, root, [...flags, '--squash', '-t', 'squashed']);
    const { stdout, stderr } = await wiacAs(made, [
      ...['run', ...flags, 'squashed', '/bin/sh', '-c'],
      'ls -d /file /gone /temporary 2>/dev/null; ls /dir; stat -c %u:%g /dir/new',
    ]);
    expect({ stdout, stderr }).toMatchObject({ stdout: 'new\n5:6' });
    const history = await wiacAs(made, ['history', 'squashed']);
    expect(history.stdout.trim().split('\n').length).toBeGreaterThan(3);
  });
});

test('access control lists of the context: who is not in the user namespace is left out', async () => {
  const made = getMachine('ordinary');
  const root = context({
    Dockerfile: dockerfile('COPY file /', 'RUN stat -c %a /file'),
    file: 'x',
  });
  chmodSync(root, 0o755);
  const anyone = 0xff_ff_ff_ff;
  const list = (...ids: readonly number[]) =>
    accessList(
      [1, 6, anyone],
      ...ids.map((id) => [2, 4, id] as const),
      ...([
        [4, 4, anyone],
        [16, 6, anyone],
        [32, 4, anyone],
      ] as const),
    );
  const value = `0x${list(ORDINARY_UID, ORDINARY_UID + 1).toString('hex')}`;
  await execa('setfattr', ['-n', 'system.posix_acl_access', '-v', value, join(root, 'file')]);
  expect(await stepOutput(made, root, [])).toEqual(['664']);
  const archive = join(made.tmp, 'archive.tar');
  const built = await wiacAs(made, ['build', '-o', `type=tar,dest=${archive}`, root]);
  expect(built).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('CACHED COPY') });
  const name = Buffer.from('SCHILY.xattr.system.posix_acl_access=');
  expect(readFileSync(archive).includes(Buffer.concat([name, list(0), Buffer.from('\n')]))).toBe(
    true,
  );
  const plan = await wiacAs(made, ['plan', root]);
  expect(plan.stdout).not.toContain('miss');
});

test('limits above those of the user are for root', async () => {
  const made = getMachine('ordinary');
  const root = context({ Dockerfile: dockerfile('RUN true') });
  chmodSync(root, 0o755);
  const above = await wiacAs(made, ['build', '--ulimit', 'nofile=1000001', root], 'ulimit -n 4096');
  expect(above.exitCode).toBe(8);
  expect(above.stderr).toMatch(/^hint: only root may go above .*give --ulimit less/m);
});
