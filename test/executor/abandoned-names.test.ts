/** Whose control groups are left over: those of processes that were killed, in pid namespaces that are gone as well. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { abandonedHere, abandonedNames, processName } from '../../src/util/process-name.js';

const namespaceIn = (link: string) => /\d+/.exec(readlinkSync(link))?.[0] ?? '';

test('names of a pid namespace that is gone, seen by root outside of any; of one that is there they stay', async () => {
  const inside = spawn('unshare', [
    '--pid',
    '--fork',
    '--kill-child',
    'sh',
    '-c',
    'echo; exec sleep 60',
  ]);
  await once(inside.stdout, 'data');
  const live = namespaceIn(`/proc/${inside.pid}/ns/pid_for_children`);
  const own = namespaceIn('/proc/self/ns/pid');
  // Process 1 has begun a few ticks after the kernel: on some machines 5.
  const name = (namespace: string) => `wiac-${namespace}-1-987654321-7`;
  const names = [processName(), name(own), name(live), name('1'), 'wiac-other'];
  const isInitial = own === '4026531836';
  expect(abandonedNames(names)).toEqual([name(own)]);
  expect(abandonedHere(names)).toEqual([name(own), ...(isInitial ? [name('1')] : [])]);
  inside.kill('SIGKILL');
  await once(inside, 'close');
});
