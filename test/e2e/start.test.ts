/** The compiled code that is kept beside the bundle: used by the next run, whatever that one loads. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { installed } from '../support/installed.js';
import { startRegistry } from '../support/registry.js';
import { context, dockerfile, tempDir, WIAC } from '../support/wiac.js';

/** What is kept for a command, and since when: it is written anew when V8 refuses it. */
function kept(dist: string, command: string): Record<string, number> {
  const names = readdirSync(dist).filter((name) => name.includes(`-${command}-`));
  return Object.fromEntries(names.map((name) => [name, statSync(join(dist, name)).mtimeMs]));
}

test('code compiled by one run serves the next', async () => {
  const { dist, run } = installed();
  const directory = context({ Dockerfile: dockerfile('RUN echo hello > /file') });
  await run('build', '-t', 'image', directory);
  // No package that is a file of its own: COPY and RUN do without.
  const compiled = readdirSync(dist).filter((name) => name.endsWith('.compiled'));
  expect(compiled.map((name) => name.split('.')[0])).toEqual(['main']);
  const registry = await startRegistry();
  const target = `${registry.host}/image`;
  const commands = [
    ['build', '-t', 'image', directory],
    ['build', '--push', '-t', target, directory],
    ['push', 'image', target],
    ['pull', target],
    ['images'],
    ['--version'],
  ];
  // The first build runs a step, and loads what cached ones don't.
  for (const args of commands) await run(...args);
  for (const args of commands) {
    const [command = ''] = args;
    const before = kept(dist, command);
    expect(Object.keys(before).some((name) => name.startsWith('main.cjs-'))).toBe(true);
    await run(...args);
    expect(kept(dist, command)).toEqual(before);
  }
  await registry.stop();
});

// V8 counts such memory as garbage to come, and marks the whole heap the sooner.
test('a build of many steps holds little memory outside of the heap', async () => {
  const directory = tempDir();
  const told = join(directory, 'bytes');
  const tell = join(directory, 'tell.cjs');
  const fs = "require('node:fs')";
  const bytes = 'String(process.memoryUsage().arrayBuffers)';
  writeFileSync(tell, `process.on('exit', () => ${fs}.writeFileSync('${told}', ${bytes}));`);
  const steps = Array.from({ length: 20 }, (_, step) => `RUN echo ${step} > /file${step}`);
  await execa(
    process.execPath,
    ['--require', tell, WIAC, 'build', context({ Dockerfile: dockerfile(...steps) })],
    { env: { WIAC_ROOT: join(directory, 'store') } },
  );
  expect(Number(readFileSync(told, 'utf8'))).toBeLessThan(8 << 20);
});
