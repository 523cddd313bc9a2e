/** wiac doctor on machines that lack something. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { CALLS, compileDeny, ENODEV, ENOSYS } from '../support/deny.js';
import { notStuck } from '../support/not-stuck.js';
import { ordinaryUser } from '../support/rootless.js';
import { context, dockerfile, machine, tempDir, WIAC } from '../support/wiac.js';

/** What is not ok, and what mends it, below the beginning of a command line. */
async function findings(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  state = 'missing',
): Promise<{ exitCode: number | undefined; lines: string[] }> {
  const [program = '', ...rest] = [...command, process.execPath, WIAC, 'doctor'];
  const { exitCode, stdout } = await notStuck(
    execa(program, rest, { env, cwd: '/', reject: false }),
  );
  const all = stdout.split('\n').map((line) => line.trim().replace(/ {2,}/g, '  '));
  const lines = all.flatMap((line, at) =>
    line.startsWith(state) ? [line, all[at + 1] ?? ''] : [],
  );
  return { exitCode, lines };
}

const matching = (...patterns: RegExp[]) => patterns.map((each) => expect.stringMatching(each));

/** Exactly one thing is missing. */
const lacks = (line: RegExp, mend: RegExp) => ({ exitCode: 1, lines: matching(line, mend) });

test('this machine: nothing is missing, and nothing is left in the store’s place', async () => {
  const { root, wiac } = machine();
  const { exitCode, stdout } = await wiac(['doctor', '--json']);
  const findings: { name: string; state: string }[] = JSON.parse(stdout);
  expect(findings.filter(({ state }) => state === 'missing')).toEqual([]);
  expect(exitCode).toBe(0);
  expect((await execa('ls', ['-A', join(root, '..')])).stdout).toBe('');
});

test('what others write to the disk is not waited for: the overlay that is tried is volatile', async () => {
  const bin = tempDir();
  const mount = join(bin, 'mount');
  const log = join(bin, 'log');
  writeFileSync(mount, `#!/bin/sh\necho "$@" >> ${log}\nPATH=$\{PATH#*:} exec mount "$@"\n`, {
    mode: 0o755,
  });
  const env = { WIAC_ROOT: join(bin, 'store'), PATH: `${bin}:${process.env.PATH}` };
  expect(await findings([], env)).toEqual({ exitCode: 0, lines: [] });
  expect(readFileSync(log, 'utf8')).toMatch(/^-t overlay -o \S+,volatile wiac m\n$/);
});

test('a store that is read-only, and one on a full disk', async () => {
  const disk = tempDir();
  const env = { WIAC_ROOT: join(disk, 'store') };
  const mounted = (options: string) => [
    ...['unshare', '--mount', 'sh', '-c'],
    ...[`mount -t tmpfs -o ${options} wiac ${disk} && exec "$@"`, 'sh'],
  ];
  expect(await findings(mounted('ro'), env)).toMatchObject({
    exitCode: 1,
    lines: expect.arrayContaining(matching(/^missing {2}store {2}.*EROFS/, /WIAC_ROOT=DIR/)),
  });
  expect(await findings(mounted('size=4m'), env)).toEqual(
    lacks(/^missing {2}disk {2}0\.0 GB of 0\.0 GB/, /^wiac cache prune --keep-bytes/),
  );
});

test('a store that builds refuse: doctor says why, and what builds say about it', async () => {
  const { root, build } = machine();
  await build(context({ Dockerfile: dockerfile() }));
  const env = { WIAC_ROOT: root };
  const elsewhere = ['unshare', '--user', '--map-root-user', '--mount', '--'];
  expect(await findings(elsewhere, env)).toMatchObject({
    exitCode: 1,
    lines: expect.arrayContaining(
      matching(/^missing {2}store .* was made by root outside of user namespaces/, /^use it as/),
    ),
  });
  await execa('chown', ['-R', '7', root]);
  expect(await findings([], env)).toEqual(
    lacks(/^missing {2}store .* is of another user \(7\)/, /^set WIAC_ROOT /),
  );
});

test('an ordinary user: with ranges of users nothing is missing, without them they are', async () => {
  const rich = ordinaryUser();
  expect(await findings(rich.command, rich.env)).toEqual({ exitCode: 0, lines: [] });
  const poor = ordinaryUser({ ranges: false });
  expect(await findings(poor.command, poor.env)).toEqual(
    lacks(/^missing {2}users {2}no ranges/, /^usermod --add-subuids .* wiac-test$/),
  );
  const hidden = 'mount --bind /dev/null "$(command -v newuidmap)"; exec "$@"';
  const without = ['unshare', '--mount', 'sh', '-ec', hidden, 'sh', ...rich.command];
  expect(await findings(without, rich.env)).toEqual(
    lacks(/^missing {2}users {2}newuidmap is missing/, /^apt-get install uidmap$/),
  );
});

test('logins that can’t be read, and none', async () => {
  const [root, home] = [tempDir(), tempDir()];
  const file = join(home, 'auth.json');
  const env = { WIAC_ROOT: root, HOME: home, XDG_RUNTIME_DIR: home };
  expect(await findings([], { ...env, REGISTRY_AUTH_FILE: file }, 'note  logins')).toMatchObject({
    lines: ['note  logins  no registry', 'wiac login REGISTRY'],
  });
  writeFileSync(file, 'not JSON');
  expect(await findings([], { ...env, REGISTRY_AUTH_FILE: file })).toEqual(
    lacks(new RegExp(`cannot read credentials from ${file}`), new RegExp(`remove ${file}$`)),
  );
});

describe('kernels that lack something', () => {
  const kernel = (text: string) => new RegExp(`^missing  kernel  ${text}`);

  test('an old one', async () => {
    expect(await findings(['setarch', '--uname-2.6'], { WIAC_ROOT: tempDir() })).toEqual(
      lacks(kernel('2\\.6\\.\\S+: wiac needs Linux 5.12 or newer'), /^boot a newer kernel$/),
    );
  });

  test('system calls that are hidden, each of those without which no step runs', async () => {
    const deny = await compileDeny();
    const path = context({ Dockerfile: dockerfile('RUN true') });
    const { clone3: _, fsopen: __, mount: ___, ...needed } = CALLS;
    for (const [name, number] of Object.entries(needed)) {
      const env = { WIAC_ROOT: join(tempDir(), 'store') };
      expect(await findings(deny(ENOSYS, number), env)).toEqual(
        lacks(kernel(`\\S+ without ${name}$`), /seccomp=unconfined/),
      );
      const [program = '', ...rest] = deny(ENOSYS, number);
      const build = [...rest, process.execPath, WIAC, 'build', '-q', path];
      const { exitCode, stderr } = await notStuck(execa(program, build, { env, reject: false }));
      expect({ name, exitCode, stderr }).toEqual({
        name,
        exitCode: expect.any(Number),
        stderr: expect.stringMatching(/see wiac doctor$|^hint: .*wiac doctor/m),
      });
      expect(exitCode).not.toBe(0);
    }
    // What is only faster, or better to read.
    const env = { WIAC_ROOT: join(tempDir(), 'store') };
    const others = deny(ENOSYS, CALLS.clone3, CALLS.fsopen);
    expect(await findings(others, env)).toEqual({ exitCode: 0, lines: [] });
    const [program = '', ...rest] = others;
    const build = [...rest, process.execPath, WIAC, 'build', '-q', path];
    await notStuck(execa(program, build, { env }));
  });

  test('no overlayfs: the kernel has none, or not on the disk of the store', async () => {
    const disk = tempDir();
    const deny = await compileDeny();
    const without = join(disk, 'filesystems');
    writeFileSync(without, readFileSync('/proc/filesystems', 'utf8').replace(/.*overlay\n/, ''));
    const none = `mount --bind ${without} /proc/filesystems; exec "$@"`;
    const hidden = ['unshare', '--mount', 'sh', '-ec', none, 'sh'];
    const env = { WIAC_ROOT: join(disk, 'store') };
    const command = [...hidden, ...deny(ENODEV, `${CALLS.mount}=0`)];
    expect(await findings(command, env)).toEqual(
      lacks(/^missing {2}overlayfs {2}.*unknown filesystem type 'overlay'/, /^modprobe overlay/),
    );
    // As in a container whose root is an overlay.
    const stacked = `
      cd ${disk}; mkdir -p a b; mount -t tmpfs wiac b; mkdir b/u b/w m
      mount -t overlay -o lowerdir=a,upperdir=b/u,workdir=b/w wiac m; exec "$@"`;
    const inside = ['unshare', '--mount', 'sh', '-ec', stacked, 'sh'];
    const there = { WIAC_ROOT: join(disk, 'm/store') };
    expect(await findings(inside, there)).toEqual(
      lacks(/^missing {2}overlayfs {2}/, /a store elsewhere: WIAC_ROOT=DIR/),
    );
  });
});
