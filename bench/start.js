// npm run bench:start: the standalone executable of `npm run package` beside the script and this Node, in turn.
import { existsSync, mkdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runContext } from './contexts.js';
import { compare, markdownTable, time, workDirectory } from './harness.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 25);
const executable = join(ROOT, `packages/wiac-${process.arch}`);
if (!existsSync(executable)) throw new Error('there is no executable: npm run package');

const work = workDirectory();
const context = join(work, 'context');
mkdirSync(context);
runContext(context);

// Without it, which Node 20 reads at each start, also where launch.sh does not keep it away.
delete process.env.NODE_EXTRA_CA_CERTS;
const env = { WIAC_ROOT: join(work, 'store'), XDG_CACHE_HOME: join(work, 'cache') };
const COMMANDS = { script: join(ROOT, 'dist/wiac.cjs'), executable };

const rows = [['command', 'executable', 'script', 'ratio', 'target', 'met']];
const seconds = (ms) => `${(ms / 1000).toFixed(3)} s`;
for (const [title, args] of [
  ['--version', ['--version']],
  ['build, 20 RUN steps cached', ['build', '-q', '-t', 'image', context]],
  ['images', ['images']],
  ['run', ['run', 'image', '/bin/echo', 'hello']],
]) {
  const contestants = Object.entries(COMMANDS).map(([name, command]) => [
    name,
    () => ({ command, args, env }),
  ]);
  // The script keeps its compiled code, and the steps are in the cache.
  for (let round = 0; round < 2; round++) for (const [, get] of contestants) time(get());
  const { executable: own, script } = compare(Object.fromEntries(contestants), ROUNDS);
  const ratio = own / script;
  rows.push([
    title,
    seconds(own),
    seconds(script),
    ratio.toFixed(2),
    '< 1',
    ratio < 1 ? 'yes' : 'NO',
  ]);
}

const date = new Date().toISOString().slice(0, 10);
process.stdout.write(
  `${date}, ${cpus().length} x ${cpus()[0]?.model.trim()}, script: Node ${process.version}, medians of ${ROUNDS}\n\n${markdownTable(rows)}\n`,
);
