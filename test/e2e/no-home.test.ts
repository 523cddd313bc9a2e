/** A user without a home directory, as in many a container: no $HOME, no line in /etc/passwd. */
import { chmodSync, chownSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { context, dockerfile, tempDir, WIAC } from '../support/wiac.js';

/** Nobody has this number. */
const STRANGER = 4_321_012;

/** Runs wiac as that user, with these variables alone. */
async function wiac(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const user = [`--reuid=${STRANGER}`, `--regid=${STRANGER}`, '--clear-groups', '--'];
  const options = { env: { PATH: process.env.PATH, ...env }, extendEnv: false, reject: false };
  const command = [...user, process.execPath, WIAC, ...args];
  return await execa('setpriv', command, { ...options, cwd: '/', stdin: 'ignore' });
}

test('without a home, wiac asks for a place for the store and for logins', async () => {
  const images = await wiac(['images']);
  expect(images.stderr).toContain(
    'there is no place for a store: you have no home directory\nhint',
  );
  expect(images.exitCode).toBe(2);
  const logout = await wiac(['logout', 'localhost:1']);
  expect(logout.stderr).toContain('there is no place for logins: you have no home directory\nhint');
  expect(logout.exitCode).toBe(11);
});

test('with a place for the store, nothing else needs one', async () => {
  const home = tempDir();
  chownSync(home, STRANGER, STRANGER);
  const directory = context({ Dockerfile: dockerfile('RUN echo made > /made') });
  for (const path of [home, directory]) chmodSync(path, 0o755);
  const env = { WIAC_ROOT: join(home, 'store'), TMPDIR: home };
  const built = await wiac(['build', '-q', directory], env);
  expect(built).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await wiac(['history', 'builds'], env)).toMatchObject({ exitCode: 0, stderr: '' });
  const doctor = await wiac(['doctor'], env);
  expect(doctor.stderr).toBe('');
  expect(doctor.stdout).toContain(dirname(env.WIAC_ROOT));
});
