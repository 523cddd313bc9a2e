/** Carries out RUN: an overlay over the layers below, a container in it, its upper directory. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Draft } from '../cache/layer-store.js';
import { layerPath } from '../cache/layer-store.js';
import type { LayerId } from '../cache/records.js';
import { DockerfileError, StepFailedError } from '../errors.js';
import { inUserNamespace, overlayOptions } from '../exec/overlay.js';
import type { MountRequest } from '../exec/rootfs.js';
import { inheritRoot, networkFiles, prepareRootfs, SHM_BYTES } from '../exec/rootfs.js';
import { runContainer } from '../exec/sandbox.js';
import { DEFAULT_PATH } from '../image/config.js';
import { measureTree } from '../layers/layer-digest.js';
import { resolveIdentity } from '../layers/users.js';
import { SCRIPT_PATH } from '../plan/run-step.js';
import type { RunStep } from '../plan/step.js';
import { lineSplitter } from './line-splitter.js';
import type { BuildSession } from './session.js';
import { stackOf } from './session.js';

/** How many lines of a failed step's output its error shows. */
const LAST_LINES = 20;

/** Same name on every machine, so that a step that records it gives the same files. */
const HOSTNAME = 'wiac';

function environment(step: RunStep, home: string): [string, string][] {
  const env = new Map<string, string>([
    ['PATH', DEFAULT_PATH],
    ['HOME', home],
    ...step.hiddenEnv,
    ...step.env,
  ]);
  return [...env];
}

function fileMounts(scratch: string, step: RunStep): MountRequest[] {
  const mounts = networkFiles(scratch, step.network === 'none' ? 'none' : 'host', []);
  if (step.script === undefined) return mounts;
  const script = join(scratch, 'script');
  writeFileSync(script, step.script, { mode: 0o755 });
  return [
    ...mounts,
    { source: script, path: SCRIPT_PATH, kind: 'file', readOnly: true, optional: false },
  ];
}

/** Runs the step's program with the draft's directory as the upper directory. */
export async function executeRun(
  session: BuildSession,
  draft: Draft,
  step: RunStep,
  base: readonly LayerId[],
): Promise<{ files: number; bytes: number }> {
  const { paths } = session.store;
  const stack = await stackOf(session, base);
  const identity = resolveIdentity(stack, step.user);
  if ('unknown' in identity) {
    throw new DockerfileError(identity.unknown, step.location, {
      hint: 'add the user in a RUN before USER, or use numbers',
    });
  }
  inheritRoot(draft.diff, stack);
  const lower = [...base].reverse().map((id) => layerPath(paths, id));
  const rootfs = prepareRootfs(stack, lower, draft.path, fileMounts(draft.path, step), []);
  const work = join(draft.path, 'work');
  mkdirSync(work);
  const lines = lineSplitter(LAST_LINES, (text) =>
    session.emit({ type: 'output', step: step.id, text }),
  );
  const exit = await runContainer(
    {
      isolation: session.isolation,
      overlay: overlayOptions({ lower: rootfs.lower, upper: draft.diff, work }, draft.path, true),
      root: rootfs.root,
      binds: rootfs.binds,
      tmpfs: [],
      network: step.network === 'none' ? 'none' : 'host',
      insecure: false,
      hostname: HOSTNAME,
      shmSize: SHM_BYTES,
      limits: [],
      mayMountSysfs: !inUserNamespace(),
      user: identity,
      workdir: step.workdir,
      env: environment(step, identity.home),
      argv: step.argv,
    },
    { kind: 'capture', onOutput: lines.push, input: undefined },
    draft.path,
    session.signal,
  );
  lines.end();
  if (session.signal.aborted) throw session.signal.reason;
  if (exit.code !== 0) {
    const message =
      exit.startError === undefined
        ? `the step ended with exit code ${exit.code}`
        : `the step could not be started: ${exit.startError}`;
    throw new StepFailedError(message, step.location, exit.code, lines.last());
  }
  // A volatile mount's work directory can't be mounted again, and nobody needs it.
  rmSync(work, { recursive: true, force: true });
  return measureTree(draft.diff);
}
