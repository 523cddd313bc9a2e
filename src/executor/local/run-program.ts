/** Runs a program in a stack of layers with a layer on top, for `wiac run`. */
import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { opaqueDirectories } from '../../fs/layer/layer-digest.js';
import type { Stack } from '../../fs/layer/stack.js';
import type { Identity } from '../../fs/layer/users.js';
import { findGroups, resolveIdentity } from '../../fs/layer/users.js';
import type { ResourceLimit } from '../../plan/step.js';
import { UsageError } from '../../util/errors.js';
import { inUserNamespace, maySetGroups } from '../../util/user-namespace.js';
import type { ControlGroups } from './cgroup.js';
import type { Isolation, Restrictions } from './container.js';
import type { Device } from './devices.js';
import { hostDevices } from './devices.js';
import { maskedPaths } from './masked-paths.js';
import { describeOverlay } from './overlay.js';
import type { PlainNetwork, PrivateNetwork } from './private-network.js';
import { containerNetwork, openNetwork } from './private-network.js';
import { requireIdentity } from './require-owner.js';
import type { MountRequest, NetworkNames } from './rootfs.js';
import { inheritRoot, networkFiles, prepareRootfs } from './rootfs.js';
import type { Exit } from './sandbox.js';
import { runAttached } from './sandbox.js';
import { sharedPlaces } from './shared-places.js';

/** A tmpfs at a path of the container. */
export interface TmpfsRequest {
  readonly target: string;
  /** As in TmpfsMount. */
  readonly options: string;
  readonly flags: number;
}

/** What to run, in what. */
export interface ProgramRequest {
  /** Layer directories, topmost first, absolute. */
  readonly lower: readonly string[];
  /** Directory on top of them; made if it is not there. */
  readonly upper: string;
  /** Overlayfs's work directory, on the file system of `upper`; made if it is not there. */
  readonly work: string;
  /** Empty directory for everything short-lived; removed by the caller. */
  readonly scratch: string;
  readonly isolation: Isolation;
  /** As in Container. */
  readonly runtime: string | undefined;
  readonly names: NetworkNames;
  readonly user: string;
  /** Further groups, names or numbers. */
  readonly groups: readonly string[];
  readonly workdir: string;
  readonly env: readonly (readonly [string, string])[];
  readonly argv: readonly string[];
  readonly binds: readonly MountRequest[];
  readonly tmpfs: readonly TmpfsRequest[];
  /** As in Container. */
  readonly terminal: boolean;
  /** All rights, and all devices. */
  readonly privileged: boolean;
  readonly devices: readonly Device[];
  readonly restrictions: Restrictions;
  readonly controlGroups: Pick<ControlGroups, 'members' | 'deviceFilter' | 'shown'>;
  /** Bytes of /dev/shm. */
  readonly shmSize: number;
  readonly limits: readonly ResourceLimit[];
  /** Ends the program, with all processes of its container. */
  readonly signal?: AbortSignal | undefined;
}

/** How a program ended, and the layers that it then had. */
export interface ProgramExit extends Exit {
  readonly stack: Stack;
}

async function readStack(paths: readonly string[]): Promise<Stack> {
  return Promise.all(
    paths.map(async (named) => {
      const path = realpathSync(named);
      return { path, opaque: new Set(await opaqueDirectories(path)) };
    }),
  );
}

function getIdentity(stack: Stack, { user, groups }: ProgramRequest): Identity {
  const identity = resolveIdentity(stack, user);
  if ('unknown' in identity)
    throw new UsageError(identity.unknown, { hint: 'use a number, or another user' });
  const further = findGroups(stack, groups);
  if ('unknown' in further)
    throw new UsageError(further.unknown, { hint: 'use a number, or another group' });
  return { ...identity, groups: [...new Set([...identity.groups, ...further])] };
}

/**
 * Runs the program with this process's standard streams.
 * @throws UsageError for an unknown user, IsolationError when the kernel refuses
 */
export async function runProgram(request: ProgramRequest): Promise<ProgramExit> {
  const network = await openNetwork(request.names.network);
  try {
    return await runConnected(request, network);
  } finally {
    network.close();
  }
}

async function runConnected(
  request: ProgramRequest,
  network: PrivateNetwork | PlainNetwork,
): Promise<ProgramExit> {
  const { lower, upper, work, scratch, isolation, names, privileged, tmpfs } = request;
  const stack = await readStack(existsSync(upper) ? [upper, ...lower] : lower);
  if (!existsSync(upper)) {
    mkdirSync(upper);
    inheritRoot(upper, stack);
  }
  const identity = getIdentity(stack, request);
  requireIdentity(identity, request.groups.length > 0 ? '--user, --group-add' : '--user');
  const { nameserver } = network;
  const places = sharedPlaces(() => scratch);
  const files = networkFiles(places.memory(), { ...names, nameserver });
  const binds = [...files.requests, ...request.binds];
  const directories = tmpfs.map(({ target }) => target);
  const rootfs = prepareRootfs(stack, lower, scratch, binds, directories, isolation, places);
  const pts = join(scratch, 'pts');
  for (const directory of [pts, work]) mkdirSync(directory, { recursive: true });
  const env = new Map([['HOME', identity.home], ...request.env]);
  const allDevices = privileged && isolation === 'namespaces' ? hostDevices() : [];
  const exit = await runAttached(
    {
      isolation,
      runtime: request.runtime,
      runtimeLog: join(scratch, 'runtime.log'),
      overlay: describeOverlay(rootfs.lower, { directory: upper, work }, false),
      root: rootfs.root,
      views: [],
      memory: { directory: places.memory(), files: files.files },
      binds: rootfs.binds,
      tmpfs: tmpfs.map((item, index) => ({ ...item, ...rootfs.places[index] })),
      network: containerNetwork(names.network, network),
      insecure: privileged,
      masked: maskedPaths(),
      devices: [...allDevices, ...request.devices],
      restrictions: request.restrictions,
      cgroups: request.controlGroups.members,
      deviceFilter: request.controlGroups.deviceFilter,
      shownGroups: request.controlGroups.shown,
      hostname: names.hostname,
      terminal: request.terminal,
      pts,
      shmSize: request.shmSize,
      limits: request.limits,
      mayMountSysfs: !inUserNamespace(),
      maySetGroups: maySetGroups(),
      user: identity,
      workdir: request.workdir,
      env: [...env],
      argv: request.argv,
    },
    request.signal,
  );
  // It may have made files that were missing, and directories that hide those of layers below.
  return { ...exit, stack: await readStack([upper, ...lower]) };
}
