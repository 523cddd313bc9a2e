// Compiles native/ with cc, for this machine; and for the other architecture that wiac runs on where
// Debian's cross compiler is installed, so that `npm pack` puts both into the archive.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const FLAGS = ['-std=gnu11', '-D_GNU_SOURCE', '-O2', '-Wall', '-Wextra', '-Werror'];

/** Compilers for each architecture of process.arch, and Debian's package. */
const CROSS = {
  arm64: ['aarch64-linux-gnu-gcc', 'gcc-aarch64-linux-gnu libc6-dev-arm64-cross'],
  x64: ['x86_64-linux-gnu-gcc', 'gcc-x86-64-linux-gnu libc6-dev-amd64-cross'],
};

const sources = readdirSync('native')
  .filter((name) => name.endsWith('.c'))
  .map((name) => join('native', name));

/** @returns false when there is no such compiler */
export function compile(compiler, output, flags = ['-static', '-s']) {
  const { error, status } = spawnSync(compiler, [...FLAGS, ...flags, '-o', output, ...sources], {
    stdio: 'inherit',
  });
  if (error?.code === 'ENOENT') return false;
  if (error) throw error;
  if (status !== 0)
    throw new Error(
      `${compiler} could not compile native/, for the reasons above. A missing header: apt-get install libc6-dev, or for another processor libc6-dev-arm64-cross or libc6-dev-amd64-cross`,
    );
  return true;
}

/** @returns names of the programs that are in `directory` now */
export function compileAll(directory) {
  return Object.entries(CROSS).flatMap(([architecture, [cross, packages]]) => {
    const isOwn = architecture === process.arch;
    const name = `wiac-sys-${architecture}`;
    const unfinished = join(directory, `${name}.${process.pid}`);
    if (compile(isOwn ? 'cc' : cross, unfinished)) return [{ name, unfinished }];
    if (isOwn)
      throw new Error('wiac needs a C compiler to be built: apt-get install gcc libc6-dev');
    if (['pack', 'publish'].includes(process.env.npm_command))
      console.error(`no ${name} in this package: apt-get install ${packages}`);
    return [];
  });
}
