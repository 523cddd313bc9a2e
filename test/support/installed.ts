/** A wiac of its own: what tests do to its files, or keep there, is nobody else's. */
import { cpSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { tempDir, WIAC } from './wiac.js';

export interface Installed {
  /** Where its files are, without compiled code. */
  readonly dist: string;
  /** Runs a command that must succeed. @returns its standard output */
  readonly run: (...args: string[]) => Promise<string>;
}

export function installed(): Installed {
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
