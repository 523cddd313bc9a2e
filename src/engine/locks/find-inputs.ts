/** Finds out what a Dockerfile takes from the network, for its lock file. */

import type { NetworkPolicy } from '../../lock/allow-network.js';
import type { LockFile } from '../../lock/lock-file.js';
import type { LockInput } from '../../lock/lock-inputs.js';
import { collectInputs } from '../../lock/lock-inputs.js';
import type { MergeScope } from '../../lock/merge-lock.js';
import { ImageError } from '../../oci/image-error.js';
import { formatPlatform, hostPlatform } from '../../oci/platform.js';
import { compile } from '../../plan/compile.js';
import { EPOCH_ARGUMENT } from '../../plan/epoch.js';
import type { Entitlement, Plan } from '../../plan/plan.js';
import { splitStages } from '../../plan/stages.js';
import type { Store } from '../../store/store.js';
import { DockerfileError } from '../../util/errors.js';
import type { ImageAccess, PlanWithImages } from '../images/base-images.js';
import { getBase, planWithImages } from '../images/base-images.js';
import { keptImages } from '../images/kept-images.js';
import type { PlanImages } from '../images/plan-images.js';
import { planImages } from '../images/plan-images.js';
import { parseBuildContexts } from '../inputs/build-contexts.js';
import type { BuildInput } from '../inputs/build-input.js';
import { remoteContext } from '../inputs/build-input.js';
import { getSignal, imageAccess, planOptions, storedImages } from '../plan-dockerfile.js';
import type { DockerfileRequest } from '../request.js';

/** A Dockerfile whose lock file is of interest, for one platform or several. */
export interface LockRequest extends Omit<DockerfileRequest, 'platform' | 'lock' | 'hermetic'> {
  /** `os/architecture[/variant]` each; those of the lock file by default, else this machine's. */
  readonly platforms?: readonly string[] | undefined;
}

/** What the questions of a request are about. */
export function lockScope(request: LockRequest, lock: LockFile | undefined): MergeScope {
  const { target, buildArgs = {}, contexts = {}, firstImage } = request;
  const args = Object.keys(buildArgs).filter((name) => name !== EPOCH_ARGUMENT);
  const known = lock?.platforms ?? [];
  const own = known.length > 0 ? known : [formatPlatform(hostPlatform())];
  return {
    whole:
      target === undefined &&
      firstImage === undefined &&
      args.length + Object.keys(contexts).length === 0,
    platforms: request.platforms ?? own,
  };
}

/** The inputs with what was opened to find them. */
export interface FoundInputs {
  readonly inputs: readonly LockInput[];
  readonly images: PlanImages;
  /** Stages beside the target that could not be looked at. */
  readonly warnings: readonly string[];
}

/** The parts of a Dockerfile that are planned: the target, and in a whole lock file each other stage. */
function targets({ dockerfile }: BuildInput, request: LockRequest, whole: boolean) {
  if (!whole) return [request.target];
  const { stages } = splitStages(dockerfile);
  return [undefined, ...stages.slice(0, -1).map(({ index }) => String(index))];
}

/** No step runs: what a build has to be allowed needs no leave here. */
const EVERYTHING: readonly Entitlement[] = ['network.host', 'security.insecure'];

/**
 * Plans every part for every platform.
 * @param access how images are opened
 * @param policy told of every RUN
 * @throws what planning the target throws
 */
export async function findInputs(
  store: Store,
  input: BuildInput,
  request: LockRequest,
  { whole, platforms }: MergeScope,
  access: ImageAccess,
  policy?: Pick<NetworkPolicy, 'mayConnect'>,
): Promise<FoundInputs> {
  const images = planImages();
  const { contexts, sources } = parseBuildContexts(request.contexts ?? {});
  const { dockerfile } = input;
  const collector = collectInputs(dockerfile);
  const warnings: string[] = [];
  const findStored = storedImages(store);
  const signal = getSignal(request);
  const all = {
    ...imageAccess(request),
    pull: 'missing' as const,
    kept: keptImages(store),
    ...access,
    images,
    signal,
  };
  for (const platform of platforms)
    for (const target of targets(input, request, whole)) {
      const options = {
        ...planOptions({ ...request, target, platform, allowed: EVERYTHING }, contexts),
        ...(policy && { mayConnect: policy.mayConnect }),
      };
      let planned: PlanWithImages;
      try {
        // What was pulled says nothing about what its name means now; what was built here has no other place.
        const built: typeof findStored = async (wanted) => {
          const found = await findStored(wanted);
          return found && 'manifest' in found && found.manifest !== undefined ? undefined : found;
        };
        planned = await planWithImages(dockerfile, options, built, all);
      } catch (error) {
        signal.throwIfAborted();
        const isOfStage = error instanceof DockerfileError || error instanceof ImageError;
        if (target === request.target || !isOfStage) throw error;
        warnings.push(`stage ${target} was left out: ${error.message}`);
        continue;
      }
      await planned.close();
      // Once more, for each instruction that asks: a plan has each source once.
      compile(dockerfile, {
        ...options,
        image: (reference, platform, location) => {
          collector.image(reference, platform, location);
          const image = images.get({ reference, platform });
          if (!image) throw new Error(`${reference} was not opened`);
          return getBase(reference, image);
        },
        lockedContent: (source, location) => {
          collector.remote({ source, credentials: undefined }, location);
          return undefined;
        },
      });
      addCredentials(planned.plan, collector);
      addContexts(planned.plan, sources, collector);
    }
  return { inputs: collector.inputs(), images, warnings };
}

type Collector = ReturnType<typeof collectInputs>;

function addCredentials({ steps, credentials }: Plan, collector: Collector): void {
  for (const step of steps) {
    if (step.kind !== 'fetch') continue;
    const known = credentials(step.id);
    if (known) collector.credentials(step.source, known);
  }
}

/** Named contexts from the network. */
function addContexts(
  { steps }: Plan,
  sources: ReadonlyMap<string, string>,
  collector: Collector,
): void {
  for (const step of steps) {
    if (step.kind !== 'copy' || step.from !== undefined) continue;
    const remote = remoteContext(sources.get(step.context) ?? '.');
    if (remote) collector.remote(remote, step.location);
  }
}
