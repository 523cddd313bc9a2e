/**
 * What a RUN step costs the machine: processes, of which Node starts one from scratch in 12 ms, and
 * waiting for the disk.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { context, dockerfile, tempDir, WIAC } from '../support/wiac.js';

const SYNCS = 'fdatasync,fsync,syncfs';
// At the end of a build, when other tests have written a lot to a disk with a journal.
const ALL_SYNCS = `${SYNCS},sync_file_range`;

function stepsContext(steps: number): string {
  const runs = Array.from({ length: steps }, (_, index) => `RUN echo ${index} > /file${index}`);
  return context({ Dockerfile: dockerfile(...runs) });
}

/** The calls of a build with so many steps, a line each. */
async function callsOf(
  steps: number,
  call: string,
  directory = stepsContext(steps),
  store = join(tempDir(), 'store'),
): Promise<string> {
  const logs = tempDir();
  const build = [process.execPath, WIAC, 'build', '-q', '-t', 'image', directory];
  // A file for each process: no call is interrupted by those of others.
  const flags = ['-ff', '-qq', '-e', `trace=${call}`, '-e', 'signal=none', '-o', join(logs, 'log')];
  await execa('strace', [...flags, ...build], { env: { WIAC_ROOT: store } });
  return readdirSync(logs)
    .map((name) => readFileSync(join(logs, name), 'utf8'))
    .join('');
}

/** Programs that a build starts, each with how often. */
async function programs(steps: number): Promise<ReadonlyMap<string, number>> {
  const calls = await callsOf(steps, 'execve');
  const counts = new Map<string, number>();
  for (const [, program = ''] of calls.matchAll(/execve\("([^"]*)".* = 0$/gm))
    counts.set(program, (counts.get(program) ?? 0) + 1);
  return counts;
}

test('a step starts its own program alone', async () => {
  const [few, many] = [await programs(2), await programs(8)];
  const more = [...many].filter(([program, count]) => count !== (few.get(program) ?? 0));
  expect(more).toEqual([['/bin/sh', (few.get('/bin/sh') ?? 0) + 6]]);
});

/** How often a build with so many steps begins a container, and mounts a /proc. */
async function containers(steps: number) {
  const calls = await callsOf(steps, 'clone,clone3,mount');
  const count = (pattern: RegExp) => [...calls.matchAll(pattern)].length;
  return { begun: count(/CLONE_NEWPID/g), early: count(/, "proc", .* = 0$/gm) };
}

test('as many containers are begun as there are steps, whenever that was', async () => {
  expect(await containers(1)).toEqual({ begun: 1, early: 1 });
  expect(await containers(5)).toEqual({ begun: 5, early: 5 });
});

test('a step waits for the disk once', async () => {
  const count = async (steps: number) => (await callsOf(steps, SYNCS)).split('\n').length;
  // Two that end within a moment share one. The COPY is a step, too: without others it shares that of the build's end.
  expect((await count(12)) - (await count(0))).toBeLessThanOrEqual(12 + 1);
});

test('a build whose steps are all cached does not wait for the disk', async () => {
  const [directory, store] = [stepsContext(2), join(tempDir(), 'store')];
  expect(await callsOf(2, ALL_SYNCS, directory, store)).not.toBe('');
  expect(await callsOf(2, ALL_SYNCS, directory, store)).toBe('');
});
