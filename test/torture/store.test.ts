/**
 * Many processes build, prune and look at one store, and are killed in every way, some of them in pid
 * namespaces of their own. WIAC_TORTURE_MINUTES is for how long (a third of a minute by default),
 * WIAC_TORTURE_PROCESSES how many at once, WIAC_TORTURE_SEED repeats a choice of commands.
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { auditIndex } from '../../src/store/index/index-audit.js';
import { generator } from '../support/random.js';
import { describeLayers } from '../support/tree.js';
import { context, dockerfile, machine, mountsBelow, WIAC } from '../support/wiac.js';

const MINUTES = Number(process.env.WIAC_TORTURE_MINUTES ?? 0.3);
const PROCESSES = Number(process.env.WIAC_TORTURE_PROCESSES ?? 6);
const SEED = Number(process.env.WIAC_TORTURE_SEED ?? Date.now() % 1_000_000);

/** Builds that share steps with each other. */
function makeContexts(): string[] {
  return Array.from({ length: 6 }, (_, which) =>
    context({
      Dockerfile: dockerfile(
        `RUN echo ${which % 2} > /half`,
        'COPY files /files',
        `RUN echo ${which % 3} > /third && cat /files/* > /all`,
        `RUN --mount=type=cache,sharing=locked,target=/c echo x >> /c/log; echo ${which} > /own`,
      ),
      'files/a': `${which % 2}\n`,
      'files/b': 'x'.repeat(which * 1000),
    }),
  );
}

interface Ended {
  readonly args: readonly string[];
  readonly hurt: string | undefined;
  readonly code: number | null;
  readonly signal: string | null;
  /** What verify found is there. */
  readonly stdout: string;
  readonly stderr: string;
}

type Harm = 'SIGKILL' | 'SIGTERM' | 'SIGINT' | 'SIGABRT' | 'stop';

/** Runs a command and does it harm. @param after ms */
async function run(
  root: string,
  args: readonly string[],
  inContainer: boolean,
  harm: Harm | undefined,
  after: number,
): Promise<Ended> {
  const command = [process.execPath, WIAC, ...args];
  const [file = '', ...rest] = inContainer
    ? ['unshare', '-pf', '--mount-proc', '--kill-child=SIGKILL', ...command]
    : command;
  const child = spawn(file, rest, {
    env: { ...process.env, WIAC_ROOT: root, WIAC_SYNC: 'none' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data: Buffer) => {
    stdout += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
  });
  let hurt: string | undefined;
  const timer = setTimeout(() => {
    if (harm === undefined || child.exitCode !== null) return;
    if (harm === 'stop') {
      child.kill('SIGSTOP');
      setTimeout(() => child.kill('SIGCONT'), 1500);
      return;
    }
    // In a pid namespace unshare(1) dies, and the kernel kills what is in there.
    hurt = harm;
    child.kill(inContainer ? 'SIGKILL' : harm);
  }, after);
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.once('close', (...result) => resolve(result));
  });
  clearTimeout(timer);
  return { args, hurt, code, signal, stdout, stderr };
}

test(
  'processes, kills, pid namespaces',
  async () => {
    const made = machine();
    const paths = makeContexts();
    const random = generator(SEED);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
    const commands = (): readonly string[] => {
      const which = random();
      if (which < 0.75) return ['build', '--progress=plain', pick(paths)];
      if (which < 0.82) return ['cache', 'prune', '--keep-bytes=0'];
      if (which < 0.87) return ['cache', 'prune', '--all'];
      if (which < 0.92) return ['cache', 'verify'];
      if (which < 0.96) return ['cache', 'ls'];
      return ['build', '--progress=plain', '-t', `name${Math.floor(random() * 3)}`, pick(paths)];
    };
    const harms = ['SIGKILL', 'SIGKILL', 'SIGTERM', 'SIGINT', 'SIGABRT', 'stop'] as const;
    const end = Date.now() + MINUTES * 60_000;
    const failed: Ended[] = [];
    let runs = 0;
    let kills = 0;
    await Promise.all(
      Array.from({ length: PROCESSES }, async () => {
        while (Date.now() < end && failed.length < 5) {
          const harm = random() < 0.4 ? pick(harms) : undefined;
          const ended = await run(made.root, commands(), random() < 0.3, harm, 30 + random() * 900);
          runs += 1;
          if (ended.hurt) kills += 1;
          const isOk = ended.hurt !== undefined || ended.code === 0;
          if (!isOk || /internal error|Assertion/.test(ended.stderr)) failed.push(ended);
        }
      }),
    );
    expect({ seed: SEED, failed }).toEqual({ seed: SEED, failed: [] });
    expect(kills).toBeGreaterThan(0);
    expect(runs).toBeGreaterThan(PROCESSES);
    // What containers of killed processes still do ends by itself.
    await sleep(500);
    expect(auditIndex(join(made.root, 'index/data.mdb'))).toBe(undefined);
    expect((await made.wiac(['cache', 'prune', '--keep-bytes=1G'])).exitCode).toBe(0);
    expect(readdirSync(join(made.root, 'tmp'))).toEqual([]);
    expect(readdirSync(join(made.root, 'live'))).toEqual(['free']);
    const verified = await made.wiac(['cache', 'verify']);
    expect(verified.stdout).toMatch(/^checked /);
    const fresh = machine();
    for (const path of paths) {
      const [ours, theirs] = [await made.build(path), await fresh.build(path)];
      expect(await describeLayers(ours.lowerdirs)).toEqual(await describeLayers(theirs.lowerdirs));
    }
    expect(mountsBelow(made.root)).toEqual([]);
    process.stderr.write(`torture: ${runs} commands, ${kills} of them killed, seed ${SEED}\n`);
  },
  MINUTES * 60_000 + 180_000,
);
