/** The compiled code that is kept beside the bundle: used by the next run, whatever that one loads. */
import { cpSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { startRegistry } from '../support/registry.js';
import { context, dockerfile, tempDir, WIAC } from '../support/wiac.js';

/** A command of its own: what other tests keep in dist/ must not decide what is tested here. */
function installed(): { dist: string; run: (...args: string[]) => Promise<string> } {
  const root = tempDir();
  const dist = join(root, 'dist');
  cpSync(dirname(WIAC), dist, { recursive: true });
  symlinkSync(join(process.cwd(), 'node_modules'), join(root, 'node_modules'));
  for (const name of readdirSync(dist)) if (name.endsWith('.compiled')) rmSync(join(dist, name));
  const env = { WIAC_ROOT: join(root, 'store') };
  const run = async (...args: string[]) =>
    (await execa(process.execPath, [join(dist, 'wiac.cjs'), ...args], { env })).stdout;
  return { dist, run };
}

/** What is kept for a command, and since when: it is written anew when V8 refuses it. */
function kept(dist: string, command: string): Record<string, number> {
  const names = readdirSync(dist).filter((name) => name.includes(`-${command}-`));
  return Object.fromEntries(names.map((name) => [name, statSync(join(dist, name)).mtimeMs]));
}

test('code compiled by one run serves the next', async () => {
  const registry = await startRegistry();
  const { dist, run } = installed();
  const directory = context({ Dockerfile: dockerfile('RUN echo hello > /file') });
  await run('build', '-t', 'image', directory);
  const target = `${registry.host}/image`;
  const commands = [
    ['build', '-t', 'image', directory],
    ['build', '--push', '-t', target, directory],
    ['push', 'image', target],
    ['pull', target],
    ['images'],
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
