/** Runs a program in a stack of layers with a layer on top, for `wiac run`. */
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { opaqueDirectories } from '../../fs/layer/layer-digest.js';
import type { Stack } from '../../fs/layer/stack.js';
import { resolveIdentity } from '../../fs/layer/users.js';
import { DEFAULT_SHM_BYTES } from '../../plan/plan.js';
import { UsageError } from '../../util/errors.js';
import { inUserNamespace } from '../../util/user-namespace.js';
import type { Isolation } from './container.js';
import { overlayOptions } from './overlay.js';
import { inheritRoot, networkFiles, prepareRootfs } from './rootfs.js';
import type { Exit } from './sandbox.js';
import { runContainer } from './sandbox.js';

/** What to run, in what. */
export interface ProgramRequest {
  /** Layer directories, topmost first, absolute. */
  readonly lower: readonly string[];
  /** Directory on top of them; made if it is not there. */
  readonly upper: string;
  /** Directory on the file system of `upper` for overlayfs's work directory. */
  readonly workParent: string;
  /** Empty directory for everything short-lived; removed by the caller. */
  readonly scratch: string;
  readonly isolation: Isolation;
  readonly network: 'host' | 'none';
  readonly user: string;
  readonly workdir: string;
  readonly env: readonly (readonly [string, string])[];
  readonly argv: readonly string[];
}

async function readStack(paths: readonly string[]): Promise<Stack> {
  return Promise.all(
    paths.map(async (named) => {
      const path = realpathSync(named);
      return { path, opaque: new Set(await opaqueDirectories(path)) };
    }),
  );
}

/**
 * Runs the program with this process's standard streams.
 * @throws UsageError for an unknown user, IsolationError when the kernel refuses
 */
export async function runProgram(request: ProgramRequest): Promise<Exit> {
  const { lower, upper, scratch } = request;
  const stack = await readStack(existsSync(upper) ? [upper, ...lower] : lower);
  if (!existsSync(upper)) {
    mkdirSync(upper);
    inheritRoot(upper, stack);
  }
  const identity = resolveIdentity(stack, request.user);
  if ('unknown' in identity)
    throw new UsageError(identity.unknown, { hint: 'use a number, or another user' });
  const rootfs = prepareRootfs(
    stack,
    lower,
    scratch,
    networkFiles(scratch, request.network, [], hostname()),
    [],
  );
  const pts = join(scratch, 'pts');
  mkdirSync(pts);
  const work = mkdtempSync(join(request.workParent, `.${basename(upper)}-work-`));
  const env = new Map([['HOME', identity.home], ...request.env]);
  try {
    return await runContainer(
      {
        isolation: request.isolation,
        overlay: overlayOptions({ lower: rootfs.lower, upper, work }, scratch, false),
        root: rootfs.root,
        views: [],
        memory: undefined,
        binds: rootfs.binds,
        tmpfs: [],
        network: request.network,
        insecure: false,
        hostname: hostname(),
        pts,
        shmSize: DEFAULT_SHM_BYTES,
        limits: [],
        mayMountSysfs: !inUserNamespace(),
        user: identity,
        workdir: request.workdir,
        env: [...env],
        argv: request.argv,
      },
      undefined,
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
