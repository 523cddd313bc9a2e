/** RUN --mount: from what the Dockerfile asks for to what the container shows. */

import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { BindMount, RunMount, SecretMount, SshMount } from '../../dockerfile/mount-flags.js';
import { rootedStack } from '../../fs/layer/rooted-stack.js';
import { resolve } from '../../fs/layer/stack.js';
import type { RunStep, Volume } from '../../plan/step.js';
import { layerStack } from '../../store/layers/layer-stack.js';
import type { LayerId } from '../../store/records.js';
import { ContextError, UsageError } from '../../util/errors.js';
import type { ExecutionIo } from '../executor.js';
import type { TmpfsMount, View } from './container.js';
import type { LocalMachine } from './local-machine.js';
import { lockCaches, openCacheMount } from './open-cache-mount.js';
import type { MemoryFile } from './operations.js';
import { describeOverlay } from './overlay.js';
import { requireOwner } from './require-owner.js';
import type { MountRequest } from './rootfs.js';
import { showAgent } from './ssh-agent.js';

/** What a step's mounts need in its container; `close` when the step has ended. */
export interface PreparedMounts {
  readonly views: readonly View[];
  readonly requests: readonly MountRequest[];
  readonly tmpfs: readonly TmpfsMount[];
  readonly env: readonly (readonly [string, string])[];
  readonly secrets: readonly MemoryFile[];
  /** Directories of cache mounts, which stay when the step has ended. */
  readonly caches: readonly string[];
  readonly close: () => void;
}

/** What the mounts of a step ask of the build. */
type MountIo = Pick<ExecutionIo, 'secret' | 'sshAgent' | 'restoreMount' | 'signal'>;

interface Preparation {
  readonly machine: LocalMachine;
  readonly io: MountIo;
  readonly step: RunStep;
  readonly scratch: string;
  readonly views: View[];
  requests: MountRequest[];
  tmpfs: TmpfsMount[];
  readonly env: (readonly [string, string])[];
  readonly closers: (() => void)[];
  readonly caches: string[];
  readonly secrets: MemoryFile[];
  sockets: number;
  mounts: number;
}

/** A directory that layers are shown in. @param lower topmost first */
export function addView(
  { scratch, views }: Pick<Preparation, 'scratch' | 'views'>,
  lower: readonly string[],
  readOnly: boolean,
): { readonly root: string; readonly empty: string } {
  const place = join(scratch, `view${views.length}`);
  const [root, empty, upper, work] = ['root', 'empty', 'upper', 'work'].map((name) =>
    join(place, name),
  ) as [string, string, string, string];
  for (const path of [root, empty, upper, work]) mkdirSync(path, { recursive: true });
  // Without an upper directory overlayfs wants two lower ones.
  const writable = readOnly ? undefined : { directory: upper, work };
  views.push({ root, overlay: describeOverlay([...lower, empty], writable, !readOnly) });
  return { root, empty };
}

/**
 * Makes a path free for one more mount: what it would cover is not mounted at all, and may be of another kind.
 * @returns the number of the new one
 */
function replace(preparation: Preparation, place: string): number {
  preparation.requests = preparation.requests.filter(({ path }) => path !== place);
  preparation.tmpfs = preparation.tmpfs.filter(({ target }) => target !== place);
  preparation.mounts += 1;
  return preparation.mounts;
}

function addRequest(preparation: Preparation, request: MountRequest): void {
  const order = replace(preparation, request.path);
  preparation.requests.push({ ...request, order });
}

/** Shows what --volume names. */
function bindVolume(preparation: Preparation, volume: Volume): void {
  const { source, target: path, readOnly, discard } = volume;
  const kind = statSync(source).isDirectory() ? 'directory' : 'file';
  const shown = discard ? addView(preparation, [source], readOnly).root : source;
  addRequest(preparation, { source: shown, path, kind, readOnly, optional: false });
}

/** Shows files of another step; writes go to a directory that is thrown away. */
async function bindStep(
  preparation: Preparation,
  mount: BindMount,
  source: readonly LayerId[],
): Promise<void> {
  const { machine, step } = preparation;
  const stack = rootedStack(await layerStack(machine.store, source), machine.scratch);
  const found = resolve(stack, mount.source);
  if (!found?.entry) {
    throw new ContextError(
      `--mount: there is no ${mount.source} in ${mount.from ?? 'the build context'}`,
      step.location,
    );
  }
  const lower = stack.map(({ path }) => path);
  const { root, empty } = addView(preparation, lower, mount.readOnly);
  addRequest(preparation, {
    source: found.path === '' ? root : `${root}/${found.path}`,
    path: mount.target,
    kind: found.entry.stats.isDirectory() ? 'directory' : 'file',
    readOnly: mount.readOnly,
    optional: false,
    stubs: join(empty, found.path),
  });
}

/** A secret is written to memory that only the container has: nothing can be left of it. */
async function showSecret(preparation: Preparation, mount: SecretMount): Promise<void> {
  const { io, step } = preparation;
  const value = await io.secret(mount.id, io.signal);
  if (value === undefined) {
    if (!mount.required) return;
    throw new UsageError(
      `the step needs the secret ${mount.id} (${step.location.file}:${step.location.line})`,
      {
        hint: `wiac build --secret id=${mount.id},src=FILE or --secret id=${mount.id},env=NAME`,
      },
    );
  }
  if (mount.env !== undefined) {
    if (value.includes(0)) {
      throw new UsageError(`the secret ${mount.id} holds a NUL byte, which no variable can have`, {
        hint: `give it to the step as a file: --mount=type=secret,id=${mount.id},target=PATH`,
      });
    }
    preparation.env.push([mount.env, value.toString()]);
  }
  if (mount.target === undefined) return;
  const { machine, secrets } = preparation;
  const source = join(machine.places.memory(), `secret${secrets.length}`);
  const { mode, uid, gid } = mount;
  requireOwner(mount, '--mount=type=secret', step.location);
  secrets.push({ path: source, content: value, mode, uid, gid });
  addRequest(preparation, {
    source,
    path: mount.target,
    kind: 'file',
    readOnly: true,
    optional: false,
  });
}

async function mountAgent(preparation: Preparation, mount: SshMount): Promise<void> {
  const { io, step } = preparation;
  const agent = io.sshAgent(mount.id);
  if (agent === undefined) {
    if (!mount.required) return;
    throw new UsageError(
      `the step needs the ssh agent ${mount.id} (${step.location.file}:${step.location.line})`,
      {
        hint: `wiac build --ssh ${mount.id} with $SSH_AUTH_SOCK set, or --ssh ${mount.id}=SOCKET or a key file`,
      },
    );
  }
  const { mode, uid, gid } = mount;
  requireOwner(mount, '--mount=type=ssh', step.location);
  const number = preparation.sockets;
  preparation.sockets += 1;
  // In the step's own directory: the sweep after a killed process removes it with the rest.
  const directory = join(preparation.scratch, `ssh${number}`);
  mkdirSync(directory, { mode: 0o700 });
  const { path: source, close } = await showAgent(agent, { mode, uid, gid }, directory);
  preparation.closers.push(close);
  const path = mount.target ?? `/run/buildkit/ssh_agent.${number}`;
  addRequest(preparation, { source, path, kind: 'file', readOnly: false, optional: false });
  if (number === 0) preparation.env.push(['SSH_AUTH_SOCK', path]);
}

/**
 * As BuildKit mounts them: secrets after all other files, and sockets of agents last. Of two at one path the last one
 * is there.
 */
function inOrder(mounts: RunStep['mounts']): [number, RunMount][] {
  const rank = ({ type }: RunMount) => (type === 'ssh' ? 2 : type === 'secret' ? 1 : 0);
  return [...mounts.entries()].sort(([, a], [, b]) => rank(a) - rank(b));
}

/** Prepares the mounts of a step in their order. @throws ContextError, UsageError */
export async function prepareMounts(
  machine: LocalMachine,
  step: RunStep,
  reads: readonly (readonly LayerId[])[],
  scratch: string,
  io: MountIo,
): Promise<PreparedMounts> {
  const preparation: Preparation = {
    machine,
    io,
    step,
    scratch,
    views: [],
    requests: [],
    tmpfs: [],
    env: [],
    closers: [],
    caches: [],
    secrets: [],
    sockets: 0,
    mounts: 0,
  };
  const close = () => {
    // Whatever one of them says, the others are closed: a lease that stays would be waited for.
    const failures = preparation.closers.flatMap((closer) => {
      try {
        closer();
        return [];
      } catch (error) {
        return [error];
      }
    });
    if (failures.length > 0) throw failures[0];
  };
  try {
    for (const volume of step.resources.volumes ?? []) bindVolume(preparation, volume);
    const sources = step.mountSources.map((at) => (at === undefined ? undefined : reads[at]));
    preparation.closers.push(await lockCaches(machine, step.mounts, sources, io.signal));
    for (const [index, mount] of inOrder(step.mounts)) {
      const source = sources[index];
      if (mount.type === 'bind' && source) await bindStep(preparation, mount, source);
      else if (mount.type === 'cache') {
        const cache = await openCacheMount(machine, mount, source, step.location, io);
        preparation.closers.push(cache.close);
        preparation.caches.push(cache.path);
        addRequest(preparation, {
          source: cache.path,
          path: mount.target,
          kind: 'directory',
          readOnly: mount.readOnly,
          optional: false,
        });
      } else if (mount.type === 'tmpfs') {
        const options = mount.size === undefined ? 'mode=1777' : `mode=1777,size=${mount.size}`;
        const order = replace(preparation, mount.target);
        preparation.tmpfs.push({ target: mount.target, options, order });
      } else if (mount.type === 'secret') await showSecret(preparation, mount);
      else if (mount.type === 'ssh') await mountAgent(preparation, mount);
    }
  } catch (error) {
    close();
    throw error;
  }
  const { views, requests, tmpfs, env, secrets, caches } = preparation;
  return { views, requests, tmpfs, env, secrets, caches, close };
}
