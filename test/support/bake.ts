/** `wiac bake` in tests. */
import type { Machine } from './wiac.js';

/** What it prints, with the words of each line. */
export async function bake({ wiac }: Machine, cwd: string, args: string[], env = {}) {
  const result = await wiac(['bake', '--progress=json', ...args], { cwd, env });
  if (result.exitCode !== 0) throw new Error(result.stderr);
  const lines = result.stdout.split('\n').filter(Boolean);
  return { ...result, lines: lines.map((line) => line.split('\t')) };
}
