/** --queue and --queue-fallback of `wiac build`. */
import type { DockerfileBuild } from '../engine/build-dockerfile.js';
import type { BuildQueue } from '../engine/build-queue.js';
import { openBuildQueue } from '../engine/build-queue.js';
import type { GivenLabel } from '../engine/worker-labels.js';
import type { WarningLog } from '../ui/log.js';
import { QueueError, UsageError } from '../util/errors.js';

/** As commander gives them. */
interface QueueOptions {
  readonly sharedCache?: string;
  readonly queueFallback: 'fail' | 'local';
  readonly workerLabel: readonly string[];
  readonly workerKey?: string;
  readonly signKey?: string;
}

/** STEP=LABEL; an instruction may have = itself. @throws UsageError */
function parseLabel(text: string): GivenLabel {
  const [, step, label] = /^(.+)=([\w.-]{1,40})$/s.exec(text) ?? [];
  if (step !== undefined && label !== undefined) return [step, label];
  throw new UsageError(`--worker-label ${text}: write STEP=LABEL`, {
    hint: "STEP is a step's id in wiac plan, a stage, or the beginning of an instruction",
  });
}

/**
 * What a build uses in the place of this machine's executor.
 * @returns undefined when its steps are to run here: nobody is in the queue
 * @throws UsageError without --cache; also for an address that is none
 */
export async function openQueue(
  url: string,
  request: DockerfileBuild,
  { sharedCache, queueFallback, workerLabel, workerKey, signKey }: QueueOptions,
  warn: WarningLog,
): Promise<BuildQueue | undefined> {
  if (sharedCache === undefined)
    throw new UsageError('--queue needs --cache: layers travel through it', {
      hint: 'add --cache REF, a reference in a registry that the workers reach as well; $WIAC_QUEUE stands for --queue',
    });
  const { registry = {}, isolation = 'namespaces', runtime, limits = {} } = request;
  const network = request.privateNetwork ? 'private' : 'host';
  const queue = await openBuildQueue({
    url,
    cache: sharedCache,
    registry,
    environment: request.environment ?? process.env,
    jobs: request.jobs,
    workerKey,
    signKey,
    labels: workerLabel.map(parseLabel),
    here: { isolation, runtime, limits, network },
  });
  if (queueFallback === 'fail') return queue;
  const problem = await queue.hasWorkers().then(
    (there) => (there ? undefined : 'the queue has no worker of this version'),
    (error: unknown) => {
      if (error instanceof QueueError) return error.message;
      throw error;
    },
  );
  if (problem === undefined) return queue;
  warn(`${problem}: the steps run on this machine`);
  await queue.close();
  return undefined;
}
