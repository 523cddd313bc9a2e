/** What the parts of one build share. */

import { updateLayer } from '../cache/entries.js';
import { opaqueOf } from '../cache/layer-marks.js';
import { layerFiles } from '../cache/layer-store.js';
import type { LayerId } from '../cache/records.js';
import type { IndexScanStore } from '../cache/scan-store.js';
import type { Store } from '../cache/store.js';
import type { FileSource } from '../context/source.js';
import type { Isolation } from '../exec/container.js';
import type { ControlLimits } from '../exec/limits.js';
import type { LayerDigest } from '../keys/digest.js';
import { digestLayer } from '../layers/layer-digest.js';
import type { Stack } from '../layers/stack.js';
import type { Credentials } from '../plan/git-url.js';
import type { Step, StepId } from '../plan/step.js';
import type { EventSink } from './events.js';
import type { LayerOrigins } from './needed-layers.js';
import { needLayers } from './needed-layers.js';
import type { PlanImages } from './plan-images.js';
import type { SharedCache } from './shared-cache.js';
import type { AgentSource } from './ssh-agent.js';

/** One build: where it reads from, writes to and reports to. */
export interface BuildSession {
  readonly store: Store;
  readonly scanStore: IndexScanStore;
  /**
   * A build context by its name, '' for the main one; opened when the first step needs it, because
   * a Dockerfile without COPY has no use for one.
   */
  readonly context: (name: string) => FileSource;
  /** Directory for short-lived files of this build, made when it is first asked for. */
  readonly scratch: () => string;
  readonly isolation: Isolation;
  /** What each RUN may use of this machine. */
  readonly limits: ControlLimits;
  /** The images that the plan is based on. */
  readonly images: PlanImages;
  /** Where layers that are not here can be fetched. */
  readonly origins: LayerOrigins;
  /** Entries of other machines (--cache-from). */
  readonly sharedCache: SharedCache | undefined;
  /** Is this step to be run although the cache may have it? */
  readonly skipsCache: (step: Step) => boolean;
  /** Content of a secret; undefined when the build was given none of that id. */
  readonly secret: (id: string) => Buffer | undefined;
  /** User and password for the server that a step fetches from. */
  readonly credentials: (step: StepId) => Credentials | undefined;
  /** An ssh agent; undefined when the build was given none of that id. */
  readonly sshAgent: (id: string) => AgentSource | undefined;
  /** Counts up, for names that must not repeat within this process. */
  readonly nextNumber: () => number;
  readonly emit: EventSink;
  readonly signal: AbortSignal;
}

/** What reading layers takes. */
export type LayerReading = Pick<BuildSession, 'store' | 'scanStore' | 'origins' | 'signal'>;

/** Layers that are here with what reading them takes, topmost first. */
export async function layerStack(store: Store, layers: readonly LayerId[]): Promise<Stack> {
  const stack = await Promise.all(
    layers.map(async (id) => {
      const opaque = new Set(await opaqueOf(store, id));
      return { path: layerFiles(store, id), opaque };
    }),
  );
  return stack.reverse();
}

/**
 * The layers of a step's file system, fetched if need be.
 * @throws MissingLayersError
 */
export async function stackOf(session: LayerReading, layers: readonly LayerId[]): Promise<Stack> {
  await needLayers(session, layers);
  return layerStack(session.store, layers);
}

/**
 * Digests of layers, computed once for each layer and kept in the index.
 * @throws MissingLayersError
 */
export async function layerDigests(
  session: LayerReading,
  layers: readonly LayerId[],
): Promise<LayerDigest[]> {
  const { index } = session.store;
  const digests: LayerDigest[] = [];
  for (const id of layers) {
    let digest = (index.layers.get(id) ?? index.remoteLayers.get(id))?.digest;
    if (digest === undefined) {
      await needLayers(session, [id]);
      const opaque = await opaqueOf(session.store, id);
      const path = layerFiles(session.store, id);
      const computed = await digestLayer(path, opaque, session.scanStore);
      digest = computed.digest;
      updateLayer(index, id, computed);
    }
    digests.push(digest);
  }
  return digests;
}
