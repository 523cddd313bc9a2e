/** wiac doctor on machines that lack something. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { ordinaryUser } from '../support/rootless.js';
import { machine, tempDir, WIAC } from '../support/wiac.js';

/** Lines that are not ok, below the beginning of a command line. */
async function complaints(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ exitCode: number | undefined; lines: string[] }> {
  const [program = '', ...rest] = [...command, process.execPath, WIAC, 'doctor'];
  const { exitCode, stdout } = await execa(program, rest, { env, cwd: '/', reject: false });
  return { exitCode, lines: stdout.split('\n').filter((line) => line.startsWith('missing')) };
}

test('this machine: nothing is missing, and nothing is left in the store’s place', async () => {
  const { root, wiac } = machine();
  const { exitCode, stdout } = await wiac(['doctor', '--json']);
  const findings: { name: string; state: string }[] = JSON.parse(stdout);
  expect(findings.filter(({ state }) => state === 'missing')).toEqual([]);
  expect(exitCode).toBe(0);
  expect((await execa('ls', ['-A', join(root, '..')])).stdout).toBe('');
});

test('a store that is read-only, and one on a full disk', async () => {
  const disk = tempDir();
  const env = { WIAC_ROOT: join(disk, 'store') };
  const mounted = (options: string) => [
    ...['unshare', '--mount', 'sh', '-c'],
    ...[`mount -t tmpfs -o ${options} wiac ${disk} && exec "$@"`, 'sh'],
  ];
  expect(await complaints(mounted('ro'), env)).toMatchObject({
    exitCode: 1,
    lines: expect.arrayContaining([expect.stringMatching(/^missing +store .*EROFS/)]),
  });
  expect(await complaints(mounted('size=4m'), env)).toMatchObject({
    exitCode: 1,
    lines: [expect.stringMatching(/^missing +disk +0\.0 GB of 0\.0 GB/)],
  });
});

test('an ordinary user: with ranges of users nothing is missing, without them they are', async () => {
  const rich = ordinaryUser();
  expect(await complaints(rich.command, rich.env)).toEqual({ exitCode: 0, lines: [] });
  const poor = ordinaryUser({ ranges: false });
  const { exitCode, lines } = await complaints(poor.command, poor.env);
  expect({ exitCode, lines }).toEqual({
    exitCode: 1,
    lines: [expect.stringMatching(/^missing +users +no ranges/)],
  });
});

test('logins that can’t be read', async () => {
  const file = join(tempDir(), 'auth.json');
  writeFileSync(file, 'not JSON');
  const { lines } = await complaints([], { WIAC_ROOT: tempDir(), REGISTRY_AUTH_FILE: file });
  expect(lines).toEqual([expect.stringContaining(`cannot read credentials from ${file}`)]);
});
