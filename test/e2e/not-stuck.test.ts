/** The tests' own look at commands that never end. */
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { notStuck } from '../support/not-stuck.js';

const SOON = 100;

test('a command that waits for ever: what its processes wait for is told, and they are killed', async () => {
  const command = execa('sh', ['-c', 'sleep 1000; true'], { reject: false });
  await expect(notStuck(command, SOON)).rejects.toThrow(
    /a command does not end:\n\d+ sh -c .*\n {2}sh: \w*wait\w*, system call .*\n\d+ sleep 1000\n {2}sleep: /,
  );
  expect(await command).toMatchObject({ signal: 'SIGKILL' });
});

test('one that computes is waited for', async () => {
  const loop = 'end=$(($(date +%s) + 7)); while test $(date +%s) -lt $end; do :; done; echo done';
  const { stdout } = await notStuck(execa('sh', ['-c', loop]), SOON);
  expect(stdout).toBe('done');
});
