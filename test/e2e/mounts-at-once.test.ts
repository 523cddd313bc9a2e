/** Cache mounts that several builds, in processes of their own, read from a shared cache and write to it at once. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { S3Server } from '../support/s3.js';
import { startS3 } from '../support/s3.js';
import {
  arg,
  fill,
  mountOf,
  s3Place,
  stepContext,
  warnings,
} from '../support/travelling-mounts.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, getOutput, machine, tempDir, WIAC } from '../support/wiac.js';

/** What is about builds at once has processes of its own. */
const warmMachine = warmMachines();

let s3: S3Server;
beforeAll(async () => {
  s3 = await startS3();
});
afterAll(() => s3.stop());

describe('several at once', () => {
  /** Every file of the mount, by its first letter. */
  function letters(directory: string): Set<string> {
    return new Set(
      readdirSync(directory).map((name) => readFileSync(join(directory, name), 'utf8')[0] ?? ''),
    );
  }

  test('of two that write at once the last one wins, and nothing is mixed', async () => {
    const root = stepContext('true');
    const place = s3Place(s3, 'twice');
    const to = `--cache-to=${place},mounts=true`;
    const first = warmMachine();
    await first.build(root, arg(0));
    fill(mountOf(first), 0, 60, 3000, 'o');
    await first.build(root, arg(0), to);
    const writers = await Promise.all(
      ['a', 'b'].map(async (letter) => {
        const one = machine();
        await one.build(root, arg(letter), `--cache-from=${place}`);
        fill(mountOf(one), 0, 60, 3000, letter);
        return one;
      }),
    );
    await Promise.all(writers.map((one, at) => one.build(root, arg('ab'[at] ?? ''), to)));
    const reader = warmMachine();
    const { events } = await reader.build(root, arg('r'), `--cache-from=${place}`);
    expect(warnings(events)).toEqual([]);
    expect(readdirSync(mountOf(reader))).toHaveLength(60);
    expect(letters(mountOf(reader)).size).toBe(1);
    expect(letters(mountOf(reader)).has('o')).toBe(false);
  });

  test('one that is killed while it writes leaves the former snapshot', async () => {
    const root = stepContext('true');
    const place = s3Place(s3, 'killed');
    const to = `--cache-to=${place},mounts=true`;
    const writer = warmMachine();
    await writer.build(root, arg(0));
    fill(mountOf(writer), 0, 10, 3000, 'o');
    await writer.build(root, arg(0), to);
    fill(mountOf(writer), 0, 10, 3000, 'n');
    const { set } = s3.objects;
    try {
      // Each time it gets one object further; the manifest is the last one.
      for (let kills = 0; kills < 3; kills += 1) {
        let pid: number | undefined;
        s3.objects.set = (key, value) => {
          if (pid !== undefined) process.kill(pid, 'SIGKILL');
          pid = undefined;
          expect(key).not.toContain('manifests');
          return set.call(s3.objects, key, value);
        };
        const child = execa(process.execPath, [WIAC, 'build', '-q', arg(0), to, root], {
          env: { WIAC_ROOT: writer.root },
          reject: false,
        });
        pid = child.pid;
        expect((await child).signal).toBe('SIGKILL');
        const reader = warmMachine();
        const { events } = await reader.build(root, arg(kills + 10), `--cache-from=${place}`);
        expect(warnings(events)).toEqual([]);
        expect([...letters(mountOf(reader))]).toEqual(['o']);
      }
    } finally {
      s3.objects.set = set;
    }
    await writer.build(root, arg(0), to);
    const reader = warmMachine();
    await reader.build(root, arg(20), `--cache-from=${place}`);
    expect([...letters(mountOf(reader))]).toEqual(['n']);
  });

  test('a mount that a step has alone is not read before the step ends', async () => {
    const a = machine();
    const quick = stepContext('true', ',sharing=locked');
    const slow = stepContext(
      'echo half > /c/f; touch /c/begun; while ! test -e /c/go; do sleep 0.05; done; echo whole > /c/f',
      ',sharing=locked',
    );
    const cache = join(tempDir(), 'c');
    await a.build(quick, arg(1));
    const directory = mountOf(a);
    const running = a.build(slow, arg(1));
    while (!existsSync(join(directory, 'begun'))) await new Promise((r) => setTimeout(r, 20));
    let ended = false;
    const writing = a
      .build(quick, arg(1), `--cache-to=type=local,dest=${cache},mounts=true`)
      .finally(() => {
        ended = true;
      });
    // Without the lock it would have ended long before.
    await new Promise((resume) => setTimeout(resume, 1000));
    const endedBefore = ended;
    // Whatever is found: a step that waits for this would stay.
    writeFileSync(join(directory, 'go'), '');
    await Promise.all([running, writing]);
    expect(endedBefore).toBe(false);
    const b = warmMachine();
    await b.build(quick, arg(2), `--cache-from=type=local,src=${cache}`);
    expect(readFileSync(join(mountOf(b), 'f'), 'utf8')).toBe('whole\n');
  });

  test('two steps that want a mount at once fetch it once', async () => {
    const [a, b] = [warmMachine(), warmMachine()];
    const run = (step: number) =>
      `RUN --mount=type=cache,target=/c : $x ${step}; cat /c/f; echo 1 > /c/f`;
    const root = context({
      Dockerfile: `${dockerfile('ARG x', run(1)).replace('scratch', 'scratch AS other')}${dockerfile(
        'ARG x',
        run(2),
        'COPY --from=other /bin/sh /o',
      )}`,
    });
    const place = s3Place(s3, 'once');
    await a.build(root, arg(1), '--jobs=1', `--cache-to=${place},mounts=true`);
    s3.log.length = 0;
    const { events } = await b.build(root, arg(2), '--jobs=4', `--cache-from=${place}`);
    expect(getOutput(events)).toEqual(['1', '1']);
    const fetched = s3.log.filter((line) => line.startsWith('GET once/blobs'));
    expect(new Set(fetched).size).toBe(fetched.length);
  });
});
