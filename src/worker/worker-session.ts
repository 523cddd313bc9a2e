/** A build's session for steps that came from a queue: in the worker's own store, on layers that it fetches. */

import type { BuildSession } from '../engine/build-session.js';
import type { EventSink } from '../engine/events.js';
import { addOrigin } from '../engine/images/needed-layers.js';
import { planImages } from '../engine/images/plan-images.js';
import { lazyExecutor } from '../executor/local/lazy-executor.js';
import type { LocalMachine } from '../executor/local/local-machine.js';
import { fromWire } from '../executor/queue/queue-executor.js';
import type { WireLayer } from '../executor/queue/queue-protocol.js';
import { createHash64 } from '../fs/scan/hash64.js';
import type { Digest } from '../oci/resolved-image.js';
import type { LayerBlobs } from '../shared-cache/layer-blobs.js';
import { indexScanStore } from '../store/entries/scan-store.js';
import { stackTree } from '../store/layers/layer-stack.js';
import { layerOfDiffId } from '../store/layers/remote-layers.js';
import type { LayerId } from '../store/records.js';
import type { Store } from '../store/store.js';
import type { WorkerMetrics } from './serve-metrics.js';

/** What all steps of a worker share. */
export interface WorkerMachine
  extends Pick<
    LocalMachine,
    | 'sys'
    | 'nextNumber'
    | 'scratch'
    | 'environment'
    | 'isolation'
    | 'runtime'
    | 'limits'
    | 'network'
  > {
  readonly store: Store;
  readonly blobs: LayerBlobs;
  readonly metrics: WorkerMetrics;
  /** Layers that are on their way to others. */
  readonly pushing: Map<LayerId, Promise<WireLayer>>;
}

/** What the steps of one chain share. */
export interface ChainSession {
  readonly of: (
    options: Pick<BuildSession, 'signal' | 'emit' | 'skipsCache' | 'secret'>,
  ) => BuildSession;
  /** Names a layer that came with the chain; its files are fetched when a step needs them. */
  readonly layer: (layer: WireLayer) => LayerId;
  readonly close: () => Promise<void>;
}

export async function openChainSession(machine: WorkerMachine): Promise<ChainSession> {
  const { store, blobs, metrics, pushing: _, ...local } = machine;
  const scanStore = indexScanStore(store, await createHash64());
  const stacks = stackTree();
  const executor = lazyExecutor({ ...local, store, scanStore, stacks });
  const origins: BuildSession['origins'] = new Map();
  const ignore: EventSink = () => {};
  return {
    layer(wire) {
      const { diffId, descriptor, newest } = fromWire(wire);
      const layer = {
        descriptor,
        diffId: diffId as Digest,
        newest,
        open: () => {
          metrics.moved('in', descriptor.size);
          return blobs.open(descriptor);
        },
      };
      const reportFailure = (error: Error) => {
        throw error;
      };
      addOrigin(origins, { layer, registry: undefined, isUsable: () => true, reportFailure });
      // Its digest is computed from its files here: what a queue says of them is not believed.
      return layerOfDiffId(store, diffId, { digest: undefined, key: undefined });
    },
    of: ({ signal, emit = ignore, skipsCache, secret }) => ({
      store,
      scanStore,
      context: () => {
        throw new Error('a worker has no build context');
      },
      scratch: local.scratch,
      stacks,
      images: planImages(),
      origins,
      sharedCache: undefined,
      skipsCache,
      credentials: () => undefined,
      environment: local.environment,
      signal,
      explain: false,
      executor,
      secret,
      sshAgent: () => undefined,
      shells: undefined,
      restoreMount: undefined,
      emit,
      onPublished: () => {},
    }),
    close: async () => {
      scanStore.flush();
      await executor.close?.();
    },
  };
}
