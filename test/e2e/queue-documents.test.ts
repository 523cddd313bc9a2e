/** The commands of README and docs/queue.md that take a queue, executed with one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { Fleet } from '../support/fleet.js';
import { startFleet, until } from '../support/fleet.js';
import { tempDir, WIAC } from '../support/wiac.js';

let fleet: Fleet;

beforeEach(async () => {
  fleet = await startFleet();
});

afterEach(() => fleet.stop());

/** Lines of the blocks that name a queue. */
function commandsOf(document: string): string[] {
  return [...readFileSync(document, 'utf8').matchAll(/```sh\n(.*?)```/gs)]
    .map(([, text = '']) => text)
    .filter((text) => text.includes('$QUEUE'))
    .flatMap((text) => text.trim().split('\n'));
}

test.each(['README.md', 'docs/queue.md'])(
  'the commands of %s work',
  async (document) => {
    const [work = '', ...commands] = commandsOf(document);
    expect(work).toMatch(/^wiac worker /);
    expect(commands.length).toBeGreaterThan(1);
    const cwd = tempDir();
    cpSync('examples/hello', join(cwd, 'examples/hello'), { recursive: true });
    const bin = join(cwd, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'wiac'), `#!/bin/sh\nexec ${process.execPath} ${WIAC} "$@"\n`, {
      mode: 0o755,
    });
    const shared = {
      ...process.env,
      PATH: `${bin}:${process.env.PATH}`,
      QUEUE: fleet.redis.url,
      CACHE: fleet.cache,
    };
    const env = { ...shared, WIAC_ROOT: join(cwd, 'store') };
    await execa('wiac', ['copy', 'examples/hello', '/bin/busybox', '/bin/sh'], { cwd, env });
    const worker = spawn('sh', ['-c', `exec ${work}`], {
      cwd,
      env: { ...shared, WIAC_ROOT: join(cwd, 'worker') },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let log = '';
    worker.stderr.on('data', (data: Buffer) => {
      log += data.toString();
    });
    try {
      await until(
        () => log.includes('waits for steps'),
        () => log,
      );
      const { all } = await execa('sh', ['-e', '-c', commands.join('\n')], {
        cwd,
        env,
        all: true,
      });
      expect(all).toContain('] on ');
      expect(all).toContain('slots busy');
    } finally {
      worker.kill('SIGTERM');
      await once(worker, 'exit');
    }
  },
  60_000,
);
