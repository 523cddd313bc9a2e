/** Runs a program in layers: what `wiac run` and programs call. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { makeControlGroups, sweepControlGroups } from '../executor/local/cgroup.js';
import type { ControlLimits } from '../executor/local/cgroup-limits.js';
import { openContainerLayer, partsOf } from '../executor/local/layer-directory.js';
import type { ProgramExit, ProgramRequest } from '../executor/local/run-program.js';
import { runProgram } from '../executor/local/run-program.js';
import { removeTree } from '../fs/remove-tree.js';

/** A program, and the layers that it runs in. */
export interface LayersRun extends Omit<ProgramRequest, 'upper' | 'work' | 'scratch' | 'cgroups'> {
  /** A container layer: the program's changes are in its `diff` afterwards. Without it they are lost. */
  readonly layer: string | undefined;
  /** Where everything short-lived goes. */
  readonly temporary: string;
  readonly control: ControlLimits;
}

/** How it ended. */
export interface RunOutcome extends ProgramExit {
  /** How many of its processes the kernel ended for want of memory. */
  readonly memoryKills: number;
}

async function runWithin(request: LayersRun, scratch: string): Promise<RunOutcome> {
  const layer = request.layer
    ? openContainerLayer(request.layer)
    : { ...partsOf(scratch), close: () => {} };
  const groups = makeControlGroups(request.control);
  try {
    const { diff: upper, work } = layer;
    const exit = await runProgram({ ...request, upper, work, scratch, cgroups: groups.members });
    return { ...exit, memoryKills: groups.memoryKills() };
  } finally {
    await groups.remove();
    layer.close();
  }
}

/**
 * Runs a program with this process's standard streams.
 * @throws UsageError for an unknown user, IsolationError when the kernel refuses
 */
export async function runInLayers(request: LayersRun): Promise<RunOutcome> {
  sweepControlGroups();
  const scratch = mkdtempSync(join(request.temporary, 'wiac-run-'));
  try {
    return await runWithin(request, scratch);
  } finally {
    removeTree(scratch);
  }
}
