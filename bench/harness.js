// Times commands side by side: every round runs each command once, in turn, so that whatever the
// machine does in the meantime hits all of them alike. Medians, because one slow disk flush must
// not decide.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** buildah leaves its storage mounted when it is killed. */
function unmountBelow(directory) {
  const points = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .flatMap((line) => line.split(' ')[1] ?? []);
  // Programs in a chroot have mounted below that.
  const below = points.filter((point) => point.includes(`${directory}/`));
  for (const point of below.reverse()) execFileSync('umount', ['-l', point]);
}

/** A directory for everything a benchmark writes; gone when it ends, however it ends. */
export function workDirectory() {
  const work = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'wiac-bench-'));
  process.on('exit', () => {
    unmountBelow(work);
    rmSync(work, { recursive: true, force: true });
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));
  return work;
}

/** Runs a program and returns how long it took, in ms. Throws when it fails. */
export function time({ command, args, cwd, env }) {
  const started = process.hrtime.bigint();
  execFileSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return Number(process.hrtime.bigint() - started) / 1e6;
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The peak memory of a command in MB: that of the largest of its processes. */
export function peakMemory({ command, args, cwd, env }) {
  const { stderr } = spawnSync('/usr/bin/time', ['-f', '%M', command, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  return Math.round(Number(stderr.trim().split('\n').at(-1)) / 1024);
}

/**
 * Runs contestants `rounds` times in turn.
 * @param contestants name -> function of the round's number that prepares, and returns a command, or nothing
 *   when it has run often enough
 * @param dirty what was prepared is not written to disk before
 * @returns name -> median in ms
 */
export function compare(contestants, rounds, { dirty = false } = {}) {
  const times = new Map(Object.keys(contestants).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, prepare] of Object.entries(contestants)) {
      // wiac waits until its layers are on disk: what others left to be written is not its work.
      if (dirty) execFileSync('sync');
      const command = prepare(round);
      if (command === undefined) continue;
      if (!dirty) execFileSync('sync');
      times.get(name).push(time(command));
    }
  }
  return Object.fromEntries([...times].map(([name, values]) => [name, median(values)]));
}

/** Flags that give buildah a storage of its own below a directory. */
export function buildahStorage(directory, driver) {
  const [root, runroot] = ['root', 'run'].map((name) => join(directory, name));
  return ['--root', root, '--runroot', runroot, '--storage-driver', driver];
}

/** A table in Markdown. */
export function markdownTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [line(rows[0]), rule, ...rows.slice(1).map(line)].join('\n');
}
