/** Rebuilds an image from its provenance and compares the two: `wiac repro --against`. */
import { Readable } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import { STEP_HOSTNAME } from '../../executor/local/container.js';
import { compareLayers } from '../../fs/layer/compare-layers.js';
import { baseImage } from '../../oci/base-image.js';
import { formatPlatform, hostPlatform, parsePlatform } from '../../oci/platform.js';
import { parseEpoch } from '../../plan/epoch.js';
import type { Plan } from '../../plan/plan.js';
import type { Step } from '../../plan/step.js';
import type { ComparedLayer, ImageReport } from '../../repro/image-report.js';
import { isReproduced } from '../../repro/image-report.js';
import type { Runs } from '../../repro/judge.js';
import { openJudge } from '../../repro/judge.js';
import type { RecordedBuild } from '../../repro/recorded-build.js';
import { recordedBuild } from '../../repro/recorded-build.js';
import { describeArchive, layerDiffId } from '../../store/blobs/diff-ids.js';
import { findByDefinition } from '../../store/entries/entries.js';
import { layerFiles } from '../../store/layers/layer-store.js';
import { useLayers } from '../../store/pins/uses.js';
import type { LayerId } from '../../store/records.js';
import type { Store } from '../../store/store.js';
import { abortable } from '../../util/abort.js';
import { LockError, UsageError } from '../../util/errors.js';
import type { BuildFacts, DockerfileBuild } from '../build-dockerfile.js';
import { buildDockerfile } from '../build-dockerfile.js';
import { fetchImageLayers } from '../images/fetch-layer.js';
import { getSignal } from '../plan-dockerfile.js';
import type { BuildResult } from '../run-build.js';
import { openCarried } from './carried-provenance.js';

/** An image to be rebuilt. What its provenance says can't be given. */
export interface RebuildRequest
  extends Omit<
    DockerfileBuild,
    'context' | 'file' | 'input' | 'target' | 'platforms' | 'buildArgs' | 'labels' | 'noCache'
  > {
  /** The image: in a registry, an OCI layout or an archive. */
  readonly image: string;
  /** `os/architecture[/variant]`; this machine's by default. */
  readonly platform?: string | undefined;
  /** The build context, if it was a directory; undefined: the one that the provenance names. */
  readonly context?: string | undefined;
  /** Times of files count as well, as they are in an image. */
  readonly times?: boolean | undefined;
}

/** The rebuilt layers with their steps; those of a base image have none. */
function madeLayers(plan: Plan, { states, image }: BuildResult) {
  const makers = new Map<LayerId, Step>();
  for (const step of plan.steps) {
    if (step.kind === 'source' || step.kind === 'meta') continue;
    const made = states.get(step.id)?.layers.at(-1);
    if (made !== undefined && !makers.has(made)) makers.set(made, step);
  }
  return image.layers.map((id) => ({ id, step: makers.get(id) }));
}

/** Did a COPY take other files than the provenance says? */
function tookOthers(
  store: Store,
  step: Step | undefined,
  { states }: BuildResult,
  { copied }: RecordedBuild,
): boolean {
  const trees = step && copied.get(step.id);
  const key = step && states.get(step.id)?.key;
  if (trees === undefined || key === undefined) return false;
  const files = findByDefinition(store, key)?.inputs.files ?? [];
  return files.map(({ tree }) => tree).join() !== trees;
}

/** A pair of layers in one place of the two images. */
interface Pair {
  readonly original: { readonly id: LayerId; readonly diffId: string } | undefined;
  readonly rebuilt: { readonly id: LayerId; readonly step: Step | undefined } | undefined;
}

/** The digest that the rebuilt layer has in an image: with its own times, or none after the epoch. */
async function sameDigest(
  store: Store,
  id: LayerId,
  wanted: string,
  epoch: number | undefined,
): Promise<string> {
  const own = await layerDiffId(store, id);
  if (own === wanted || epoch === undefined) return own;
  const { diffId } = await describeArchive(store, id, epoch);
  return diffId === wanted ? diffId : own;
}

async function comparePair(
  store: Store,
  { original, rebuilt }: Pair,
  epoch: number | undefined,
  runs: Omit<Runs, 'command'>,
  signal: AbortSignal,
): Promise<Pick<ComparedLayer, 'outcome' | 'diffIds' | 'findings' | 'differences'>> {
  const nothing = { findings: [], differences: 0 };
  if (!original || !rebuilt) {
    const outcome = original ? 'missing' : 'extra';
    const diffId = rebuilt && (await layerDiffId(store, rebuilt.id));
    return { outcome, diffIds: [original?.diffId, diffId], ...nothing };
  }
  const diffId = await sameDigest(store, rebuilt.id, original.diffId, epoch);
  const diffIds = [original.diffId, diffId] as const;
  if (diffId === original.diffId) return { outcome: 'same', diffIds, ...nothing };
  const judge = openJudge({ ...runs, command: rebuilt.step?.text ?? '' });
  const [first, second] = [original.id, rebuilt.id].map((id) => layerFiles(store, id));
  if (first === undefined || second === undefined) throw new Error('a layer without files');
  await compareLayers(first, second, judge.add, { onlyTimes: false, signal });
  const { findings, total } = judge.conclude();
  const outcome = total === 0 ? 'same files' : 'different';
  return { outcome, diffIds, findings, differences: total };
}

/** Without members that are undefined. */
function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** Is the context that was fetched the recorded one? @throws LockError */
function checkContext({ contextFrom }: BuildFacts, { context }: RecordedBuild, title: string) {
  if (!context || contextFrom?.content === context.content) return;
  throw new LockError(
    `the build context ${context.address} is ${contextFrom?.content ?? 'no longer there'}, and ${title} says ${context.content}`,
    undefined,
    { hint: 'give a directory that has the files of then: wiac repro --against REF PATH' },
  );
}

/** What the provenance says, as a request. */
function toRequest(
  request: RebuildRequest,
  recorded: RecordedBuild,
  title: string,
): DockerfileBuild {
  const { dockerfile, platform, target, buildArgs, labels, contexts, sources } = recorded;
  const context = request.context ?? recorded.context?.address;
  if (context === undefined)
    throw new UsageError(`${title} has a build context that was a directory`, {
      hint: 'give the directory: wiac repro --against REF PATH',
    });
  const given = request.contexts ?? {};
  const missing = recorded.localContexts.find((name) => given[name] === undefined);
  if (missing !== undefined)
    throw new UsageError(`${title} has a build context ${missing} that was a directory`, {
      hint: `give the directory: --build-context ${missing}=DIR`,
    });
  const { image: _, times: __, ...others } = request;
  return {
    ...others,
    context,
    file: '-',
    input: () => Readable.from([dockerfile.text]),
    platforms: [platform],
    target,
    buildArgs,
    labels,
    contexts: { ...contexts, ...given },
    onInput: (facts) => {
      if (request.context === undefined) checkContext(facts, recorded, title);
      request.onInput?.(facts);
    },
    // Nothing else may go into it.
    lock: 'locked',
    lockFile: {
      file: title,
      text: '',
      lock: { dockerfile: dockerfile.name, platforms: [platform], allowNetwork: [], sources },
    },
    // What the cache has may come from the very build that is to be proven.
    noCache: true,
  };
}

/**
 * Builds an image anew from what its provenance says, and nothing else: every step runs. The layers are
 * compared one by one.
 * @throws what a build throws; NotFoundError for an image without provenance; ImageError for one from which
 *   nothing can be rebuilt; LockError for an input that it does not name; UsageError without a context; the
 *   signal's reason
 */
export async function rebuildImage(store: Store, request: RebuildRequest): Promise<ImageReport> {
  const { image, registry, environment } = request;
  const signal = getSignal(request);
  const wanted = request.platform ?? formatPlatform(hostPlatform());
  const access = { environment: environment ?? {}, ...registry };
  const carried = () => openCarried(image, wanted, access);
  const { source, predicate } = await abortable(signal, carried);
  try {
    const title = `the provenance of ${image}`;
    const recorded = recordedBuild(predicate, title);
    const asked = toRequest(request, recorded, title);
    const resolved = await abortable(signal, () => source.resolve(parsePlatform(wanted)));
    const began = Date.now() / 1000;
    const { named, facts } = await buildDockerfile(store, asked);
    const { plan, result } = named;
    const now = Date.now() / 1000;
    const ids = await fetchImageLayers({ store, signal }, resolved);
    useLayers(store, ids);
    const epoch = recorded.epoch ?? parseEpoch(recorded.buildArgs.SOURCE_DATE_EPOCH) ?? facts.epoch;
    const made = { hostname: STEP_HOSTNAME, cpus: Number.NaN };
    const runs = {
      first: { ...made, ...(recorded.times ?? { began: 0, ended: now }) },
      second: { ...made, began, ended: now },
      // A checkout has times of its own.
      timesBefore: request.times ? (epoch ?? Number.POSITIVE_INFINITY) : Number.NEGATIVE_INFINITY,
    };
    const rebuilt = madeLayers(plan, result);
    const layers: ComparedLayer[] = [];
    for (let at = 0; at < Math.max(ids.length, rebuilt.length); at += 1) {
      const [id, diffId] = [ids[at], resolved.layers[at]?.diffId];
      const original = id === undefined || diffId === undefined ? undefined : { id, diffId };
      const pair = { original, rebuilt: rebuilt[at] };
      const step = pair.rebuilt?.step;
      layers.push({
        layer: at + 1,
        step: step?.id,
        text: step?.text,
        otherInputs: tookOthers(store, step, result, recorded),
        ...(await comparePair(store, pair, epoch, runs, signal)),
      });
    }
    const { config } = baseImage(image, resolved);
    const sameConfig = isDeepStrictEqual(asJson(config), asJson(result.image.config));
    return {
      image,
      digest: resolved.manifestDescriptor.digest,
      platform: recorded.platform,
      layers,
      sameConfig,
      reproducible: isReproduced(layers, sameConfig),
    };
  } finally {
    await source.close();
  }
}
