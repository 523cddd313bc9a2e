/**
 * A process is killed while it opens the index, at the worst places, and others wait for it: lmdb
 * leaves its file of locks as it is then, and these crash, or take it for what it is not.
 */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { auditIndex } from '../../src/store/index/index-audit.js';
import { descendants } from '../support/process-facts.js';
import { context, dockerfile, machine, ranSteps, WIAC } from '../support/wiac.js';

test.each([
  ['before the file of locks has its size', 'ftruncate', 'lock.mdb'],
  ['before it knows the newest transaction', 'pread64', 'data.mdb'],
])('killed %s', async (_, call, file) => {
  const made = machine();
  const path = context({ Dockerfile: dockerfile('RUN echo x > /x') });
  await made.build(path);
  const index = join(made.root, 'index');
  if (file === 'lock.mdb') rmSync(join(index, file));
  const slow = spawn(
    'strace',
    [
      ...['-f', '-qq', '-o', '/dev/null', '-e', `trace=${call}`, '-P', join(index, file)],
      ...['-e', `inject=${call}:delay_enter=10s`, process.execPath, WIAC, 'cache', 'ls'],
    ],
    { env: { ...process.env, WIAC_ROOT: made.root }, stdio: 'ignore' },
  );
  // By then it waits in lmdb.
  await sleep(2000);
  const others = [made.wiac(['build', path]), made.wiac(['build', '--no-cache', path])];
  await sleep(1000);
  for (const pid of descendants(slow.pid ?? 0).slice(1)) process.kill(pid, 'SIGKILL');
  slow.kill('SIGKILL');
  for (const { exitCode, stderr } of await Promise.all(others))
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  expect(ranSteps((await made.build(path)).events)).toEqual([]);
  expect(auditIndex(join(index, 'data.mdb'))).toBe(undefined);
});

test('a hundred commands that open and close one store find it open', async () => {
  const made = machine();
  await made.build(context({ Dockerfile: dockerfile() }));
  await Promise.all(
    Array.from({ length: 5 }, async () => {
      for (let round = 0; round < 20; round++)
        expect(await made.wiac(['cache', 'ls'])).toMatchObject({ exitCode: 0, stderr: '' });
    }),
  );
});
