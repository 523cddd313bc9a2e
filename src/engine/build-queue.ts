/** A build whose steps are carried out by workers: what it is given in the place of this machine's executor. */
import { lazyExecutor } from '../executor/local/lazy-executor.js';
import type { LocalMachine } from '../executor/local/local-machine.js';
import type { Coordinator } from '../executor/queue/coordinator.js';
import { obstacle } from '../executor/queue/portable-step.js';
import type { RegistryOptions } from '../oci/registry/registry.js';
import { bothWays } from '../shared-cache/both-ways.js';
import type { LayerBlobs } from '../shared-cache/layer-blobs.js';
import { openLayerBlobs } from '../shared-cache/layer-blobs.js';
import { readSignKey, readTrustKey } from '../shared-cache/signature.js';
import { parseCacheTo } from '../shared-cache/spec.js';
import { QueueError } from '../util/errors.js';
import { semaphore } from '../util/semaphore.js';
import type { BuildFacts } from './build-dockerfile.js';
import type { BuildRequest } from './run-build.js';
import type { InSlot } from './step-slots.js';
import { stepLimits, stepSlots } from './step-slots.js';
import type { GivenLabel } from './worker-labels.js';
import { labelLines, labelOf } from './worker-labels.js';

/** Steps of one build that are in the hands of workers at the same time, unless --jobs says otherwise. */
const MOST_SENT = 256;

/** How a build uses a queue. */
export interface QueueRequest {
  /** redis://HOST/0 */
  readonly url: string;
  /** The cache that layers travel through, as in --cache-from. */
  readonly cache: string;
  readonly registry: RegistryOptions;
  readonly environment: NodeJS.ProcessEnv;
  /** Steps at the same time, on workers and here. */
  readonly jobs: number | undefined;
  /** File with the public key of the only workers that may have steps and secrets. */
  readonly workerKey: string | undefined;
  /** File with the private key that jobs are signed with. */
  readonly signKey: string | undefined;
  /** Steps of the command line that want a worker with a label. */
  readonly labels: readonly GivenLabel[];
  /** How steps that don't travel are carried out here. */
  readonly here: Pick<LocalMachine, 'isolation' | 'runtime' | 'limits' | 'network'>;
}

/** Parts of a DockerfileBuild. */
export interface BuildQueue {
  readonly executor: BuildRequest['executor'];
  readonly inSlot: InSlot;
  /** Told what is built: the Dockerfile may name labels. */
  readonly read: (dockerfile: BuildFacts['dockerfile']) => void;
  /** Is a worker of this version there? @throws QueueError when the queue can't be reached */
  readonly hasWorkers: () => Promise<boolean>;
  /** After the build. */
  readonly close: () => Promise<void>;
}

/**
 * Where the layers of a `--cache` are.
 * @throws UsageError, UnsupportedError for a value that can't be understood, or a place that carries nothing
 */
export async function openCacheBlobs(
  cache: string,
  registry: RegistryOptions,
  environment: NodeJS.ProcessEnv,
): Promise<LayerBlobs> {
  const { place } = parseCacheTo(bothWays(cache).to, environment);
  if (place.type === 'inline') throw new QueueError('an inline cache carries no layers');
  return openLayerBlobs(place, { environment, ...registry });
}

/**
 * Connects to nothing before the first step is sent.
 * @throws UsageError, UnsupportedError for a cache that can't be understood
 */
export async function openBuildQueue(request: QueueRequest): Promise<BuildQueue> {
  const { url, cache, registry, environment, jobs, here, labels } = request;
  let lines: ReadonlyMap<number, string> = new Map();
  const { checkAddress, openRedis } = await import('../executor/queue/redis-link.js');
  checkAddress(url);
  const workerKey =
    request.workerKey === undefined ? undefined : readTrustKey(request.workerKey, '--worker-key ');
  const signKey =
    request.signKey === undefined ? undefined : readSignKey(request.signKey, '--sign-key ');
  const blobs = await openCacheBlobs(cache, registry, environment);
  const { queueExecutor } = await import('../executor/queue/queue-executor.js');
  let opened: Promise<Coordinator> | undefined;
  const coordinator = (): Promise<Coordinator> => {
    opened ??= import('../executor/queue/coordinator.js').then(({ openCoordinator }) =>
      openCoordinator(url, { workerKey, signKey }),
    );
    return opened;
  };
  const own = stepSlots(stepLimits(jobs));
  const sent = semaphore(jobs ?? MOST_SENT);
  return {
    executor: (machine) =>
      queueExecutor({
        coordinator,
        blobs,
        workerKey,
        signKey,
        local: lazyExecutor({ ...machine, ...here }),
        label: (step) => labelOf(step, labels, lines),
      }),
    inSlot: (step, task) =>
      obstacle(step, workerKey !== undefined) === undefined ? sent(task) : own(step, task),
    read({ text, path }) {
      lines = labelLines(text, path);
    },
    async hasWorkers() {
      const link = await openRedis(url);
      try {
        const { listWorkers } = await import('../executor/queue/worker-list.js');
        return (await listWorkers(link.redis)).own.length > 0;
      } finally {
        link.close();
      }
    },
    async close() {
      await (await opened?.catch(() => undefined))?.close();
      await blobs.close();
    },
  };
}
