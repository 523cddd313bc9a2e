/** Runs cases as an ordinary user: see rootless-worker.ts. */
import { fork } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { ordinaryUser } from '../support/rootless.js';
import { makeBase } from './base.js';
import type { Made } from './cases.js';
import { readCase } from './cases.js';
import { compareWithExpectation } from './compare.js';
import type { Outcome } from './rootless-messages.js';
import { BASE, VERIFY } from './rootless-messages.js';

/** How a case ends otherwise than for root, and why. */
export interface Difference {
  readonly why: string;
  readonly exitCode: number;
  /** Part of the message. */
  readonly message: string;
}

/** Who builds. */
export interface Builder {
  readonly ranges: boolean;
  readonly names: readonly string[];
  readonly differences: Readonly<Record<string, Difference>>;
}

function outcomesOf(names: readonly string[]) {
  const waiting = new Map<
    string,
    { take: (outcome: Outcome) => void; promise: Promise<Outcome> }
  >();
  for (const name of names) {
    let take = (_: Outcome) => {};
    const promise = new Promise<Outcome>((resolve) => {
      take = resolve;
    });
    waiting.set(name, { take, promise });
  }
  return {
    take: (outcome: Outcome) => waiting.get(outcome.name)?.take(outcome),
    get: (name: string) => waiting.get(name)?.promise,
  };
}

function toMade({ made, stderr }: Outcome): Made {
  if (!made) throw new Error(stderr);
  return { files: new Map(made.files), config: made.config };
}

/** Declares a test for each case. */
export function rootlessConformance({ ranges, names, differences }: Builder): void {
  const directory = mkdtempSync(join(tmpdir(), 'wiac-rootless-'));
  const all = [BASE, ...names, VERIFY];
  const outcomes = outcomesOf(all);
  let ended: Promise<void> = Promise.resolve();
  beforeAll(async () => {
    chmodSync(directory, 0o755);
    const layout = await makeBase(directory, ranges);
    await execa('chmod', ['-R', 'a+rX', layout]);
    const { home, command, env } = ordinaryUser({ ranges, below: directory });
    const [program = '', ...rest] = command;
    const inside = [
      'unshare',
      '--user',
      '--map-root-user',
      ...(ranges ? ['--map-auto'] : []),
      '--mount',
    ];
    const worker = ['dist-checkpoints/rootless-worker.js', home, layout];
    const child = fork(worker[0] ?? '', worker.slice(1), {
      execPath: program,
      execArgv: [...rest, ...inside, process.execPath],
      env: {
        ...process.env,
        ...env,
        WIAC_IN_USER_NAMESPACE: '1',
        WIAC_SYNC: 'none',
        FROM_ENVIRONMENT: 'environment value',
      },
    });
    ended = new Promise((resolve) => {
      child.on('close', () => {
        const lost = { exitCode: undefined, stdout: '', stderr: 'the process has ended' };
        for (const name of all) outcomes.take({ name, ...lost });
        resolve();
      });
    });
    child.on('message', (outcome: Outcome) => outcomes.take(outcome));
    child.send(names);
  });
  afterAll(async () => {
    await ended;
    rmSync(directory, { recursive: true, force: true });
  });
  const outcomeOf = async (name: string): Promise<Outcome> => {
    const outcome = await outcomes.get(name);
    if (outcome?.exitCode === undefined) throw new Error(outcome?.stderr);
    return outcome;
  };
  for (const name of names) {
    const { what, error } = readCase(name);
    const difference = differences[name];
    test(`${name}: ${what}${difference ? `, but ${difference.why}` : ''}`, async () => {
      const outcome = await outcomeOf(name);
      const expected = difference ?? error;
      if (expected) {
        expect(outcome.stderr).toContain(expected.message);
        expect({ exitCode: outcome.exitCode, stdout: outcome.stdout }).toEqual({
          exitCode: expected.exitCode,
          stdout: '',
        });
        return;
      }
      compareWithExpectation(name, toMade(outcome), toMade(await outcomeOf(BASE)));
    });
  }
  test('each layer holds what its digest says', async () => {
    const { exitCode, stdout } = await outcomeOf(VERIFY);
    const { findings } = JSON.parse(stdout) as { findings: { readonly severity: string }[] };
    expect(findings.filter(({ severity }) => severity === 'damage')).toEqual([]);
    expect(exitCode).toBe(0);
  });
}
