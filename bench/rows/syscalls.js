// What strace counts in a build of 20 RUN steps: syncs, processes and mounts.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runContext, stepsContext } from '../contexts.js';
import { target } from '../table.js';

const STEPS = 20;
const SYNCS = ['fsync', 'fdatasync', 'syncfs', 'sync', 'sync_file_range', 'msync'];
const STARTS = ['clone', 'clone3', 'fork', 'vfork'];
const MOUNTS = ['mount', 'move_mount', 'fsmount', 'open_tree', 'mount_setattr', 'umount2'];
const NAMES = [...SYNCS, ...STARTS, 'execve', ...MOUNTS];

/** @returns name -> how often it was called with success; threads are no processes */
function count({ command, args, env }, report) {
  const flags = ['-f', '-qq', '-o', report, '-e', `trace=${NAMES.join(',')}`];
  execFileSync('strace', [...flags, command, ...args], {
    env: { ...process.env, ...env },
    stdio: 'ignore',
  });
  const counts = Object.fromEntries(NAMES.map((name) => [name, 0]));
  for (const line of readFileSync(report, 'utf8').split('\n')) {
    // `PID name(arguments) = result`, or its begin, when another process comes between.
    const name = /^\d+ +(\w+)\(/.exec(line)?.[1];
    if (name === undefined || line.includes('CLONE_THREAD') || / = -1 E/.test(line)) continue;
    counts[name] += 1;
  }
  return counts;
}

export function measure({ work, builders, directory }) {
  const context = directory('traced');
  runContext(context);
  const none = directory('traced-none');
  stepsContext(none, []);
  const build = builders.wiac.build(context, { store: 'traced' });
  const empty = count(
    builders.wiac.build(none, { store: 'traced-none' }),
    join(work, 'trace-none'),
  );
  const cold = count(build, join(work, 'trace-cold'));
  const cached = count(build, join(work, 'trace-cached'));
  const sum = (counts, names) => names.reduce((total, name) => total + counts[name], 0);
  const list = (counts, names) =>
    names.flatMap((name) => (counts[name] > 0 ? [`${counts[name]} ${name}`] : [])).join(', ') ||
    'none';
  const perStep = (sum(cold, SYNCS) - sum(empty, SYNCS)) / STEPS;
  const cachedSyncs = sum(cached, SYNCS);
  const line = (title, counts) =>
    `- ${title}: syncs: ${list(counts, SYNCS)}; processes: ${sum(counts, STARTS)} started, ${counts.execve} execve; mounts: ${list(counts, MOUNTS)}`;
  return {
    rows: [
      {
        title: `syncs of ${STEPS} RUN steps`,
        times: {},
        beside: `cold: ${sum(cold, SYNCS)}; without steps: ${sum(empty, SYNCS)}; cached: ${cachedSyncs}`,
        targets: [
          target('at most one a step', perStep.toFixed(2), perStep <= 1),
          target('none when cached', `${cachedSyncs}`, cachedSyncs === 0),
        ],
      },
    ],
    notes: [[line('cold', cold), line('without steps', empty), line('cached', cached)].join('\n')],
  };
}
