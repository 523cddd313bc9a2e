/** A machine that refuses user namespaces, or what is done in them, says so at once. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { ordinaryUser } from '../support/rootless.js';
import { context, dockerfile, processesWith, tempDir, WIAC, writeTree } from '../support/wiac.js';

/**
 * In a namespace of its own, whose limit is nobody else's. What is executed once there is a root in
 * it has that one's capabilities.
 */
const REFUSING = `
read -r _mapped
exec sh -ec 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"' sh "$@"`;

test('a build, and whatever else needs one', async () => {
  const { command, env } = ordinaryUser();
  const root = tempDir();
  // A number of its own: the command line is looked for below.
  const name = `refused-${process.pid}`;
  writeTree(root, { [`${name}/Dockerfile`]: 'FROM scratch\n' });
  for (const args of [
    ['build', join(root, name)],
    ['run', '/lower', `/${name}`, '/bin/true'],
    ['doctor'],
  ]) {
    const script = [...command, process.execPath, WIAC, ...args];
    const running = execa(
      'unshare',
      ['--user', '--mount', 'sh', '-ec', REFUSING, 'sh', ...script],
      {
        reject: false,
        env,
        stdin: 'pipe',
      },
    );
    for (const map of ['uid_map', 'gid_map']) await written(`/proc/${running.pid}/${map}`);
    running.stdin?.end('\n');
    const { exitCode, stderr, stdout } = await running;
    if (args[0] === 'doctor') {
      expect(stdout).toMatch(/^missing +user namespaces +unshare: /m);
      continue;
    }
    expect([exitCode, stderr]).toEqual([
      args[0] === 'run' ? 125 : 8,
      expect.stringMatching(/needs root or a user namespace, and unshare says: .*\nhint: /),
    ]);
    // The helper of unshare(1) would wait for ever, with our pipes in its hands.
    expect(processesWith(name)).toEqual([]);
  }
});

test('a signal that ends the process in the namespace is told by the exit code', async () => {
  const { command, env } = ordinaryUser();
  const programs = tempDir();
  chmodSync(programs, 0o755);
  // In the place of one that is killed before it listens: that is over in a moment.
  const ended = '#!/bin/sh\ncase "$*" in *" true") exit 0 ;; esac\nkill -TERM $$\n';
  writeFileSync(join(programs, 'unshare'), ended, { mode: 0o755 });
  const script = [
    ...command,
    'env',
    `PATH=${programs}:${process.env.PATH}`,
    process.execPath,
    WIAC,
  ];
  const [file = '', ...args] = script;
  const { exitCode } = await execa(file, [...args, 'build', '/'], { reject: false, env });
  expect(exitCode).toBe(143);
});

/** Maps every user to itself, as soon as there is a namespace to be mapped. */
async function written(path: string): Promise<void> {
  for (;;) {
    try {
      writeFileSync(path, '0 0 4294967295\n');
      return;
    } catch (error) {
      // The process is still in the namespace of everybody.
      if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
      await new Promise((resume) => setTimeout(resume, 10));
    }
  }
}

test('no_new_privs, as of a systemd unit or a container: what it is, and not that uidmap is missing', async () => {
  const { command, env } = ordinaryUser({ flags: ['--no-new-privs'] });
  const root = tempDir();
  writeTree(root, { Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
  chmodSync(root, 0o755);
  const [program = '', ...words] = [...command, process.execPath, WIAC];
  const asUser = (...args: string[]) => execa(program, [...words, ...args], { reject: false, env });
  const built = await asUser('build', root);
  expect([built.exitCode, built.stderr]).toEqual([
    8,
    expect.stringMatching(/newuidmap .*\(no_new_privs\)\nhint: start wiac without that/),
  ]);
  expect((await asUser('doctor')).stdout).toMatch(/^missing +users +newuidmap .*no_new_privs/m);
});

test('root of a user namespace in the mounts of others (unshare -r): steps run', async () => {
  const root = context({ Dockerfile: dockerfile('RUN rm /bin/ls && id -u > /who') });
  const flags = ['--user', '--map-root-user', process.execPath, WIAC, 'build', root];
  const { exitCode, stderr } = await execa('unshare', flags, {
    reject: false,
    env: { WIAC_ROOT: join(tempDir(), 'store') },
  });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: expect.stringMatching(/2 run/) });
});

test('root that may not mount, as in most containers, is told what a container needs', async () => {
  const root = context({ Dockerfile: dockerfile('RUN true') });
  const flags = ['--bounding-set=-sys_admin', '--inh-caps=-sys_admin', process.execPath, WIAC];
  const limited = (...args: string[]) =>
    execa('setpriv', [...flags, ...args], { reject: false, env: { WIAC_ROOT: tempDir() } });
  const { exitCode, stderr } = await limited('build', root);
  expect([exitCode, stderr]).toEqual([8, expect.stringMatching(/\nhint: .*--cap-add SYS_ADMIN/)]);
  const { stdout } = await limited('doctor');
  expect(stdout).toMatch(/^missing +overlayfs .*\n +in a container: .*SYS_ADMIN/m);
});

test('in a directory that the user may not enter, as of sudo -u in the home of root', async () => {
  const { command, env } = ordinaryUser();
  const cwd = tempDir();
  chmodSync(cwd, 0o700);
  const [program = '', ...words] = [...command, process.execPath, WIAC];
  for (const args of [['build', '/'], ['images'], ['doctor']]) {
    const options = { reject: false, env, cwd } as const;
    const { exitCode, stderr } = await execa(program, [...words, ...args], options);
    expect([exitCode, stderr]).toEqual([
      2,
      `wiac: you may not enter the directory that you are in: ${cwd}\nhint: go to another one: cd /`,
    ]);
  }
});
