/** What the parts of one build share. */

import type { Executor } from '../executor/executor.js';
import type { GetSecret } from '../executor/get-secret.js';
import type { CopySources } from '../executor/local/copy-sources.js';
import { rootedStack } from '../fs/layer/rooted-stack.js';
import type { Stack } from '../fs/layer/stack.js';
import type { FileSource } from '../fs/scan/file-source.js';
import type { DefinitionKey, LayerDigest } from '../keys/digest.js';
import type { Credentials } from '../plan/git-url.js';
import type { Step, StepId } from '../plan/step.js';
import type { AgentSource } from '../sources/agent-source.js';
import type { IndexScanStore } from '../store/entries/scan-store.js';
import { awaitDigests, layerDigests as digestsOfLayers } from '../store/layers/layer-digests.js';
import type { StackTree } from '../store/layers/layer-stack.js';
import { chainedStack } from '../store/layers/layer-stack.js';
import type { LayerId } from '../store/records.js';
import type { Store } from '../store/store.js';
import type { EventSink } from './events.js';
import type { LayerOrigins } from './images/needed-layers.js';
import { needLayers } from './images/needed-layers.js';
import type { PlanImages } from './images/plan-images.js';
import type { SharedCache } from './shared-cache.js';
import type { BuildShells } from './step-shells.js';
import type { Gauge, Meter } from './transfers.js';

/** What looking steps up takes: where a build reads from. */
export interface LookupSession {
  readonly store: Store;
  readonly scanStore: IndexScanStore;
  /**
   * A build context by its name, '' for the main one; opened when the first step needs it, because
   * a Dockerfile without COPY has no use for one.
   */
  readonly context: (name: string) => FileSource;
  /** Directory for short-lived files of this build, made when it is first asked for. */
  readonly scratch: () => string;
  /** The stacks of steps, with what was found out about them. */
  readonly stacks: StackTree;
  /** The images that the plan is based on. */
  readonly images: PlanImages;
  /** Where layers that are not here can be fetched. */
  readonly origins: LayerOrigins;
  /** Entries of other machines (--cache-from). */
  readonly sharedCache: SharedCache | undefined;
  /** Is this step to be run although the cache may have it? */
  readonly skipsCache: (step: Step) => boolean;
  /** Steps that builds at the same time have run for each other, whatever skipsCache says. */
  readonly madeNow?: Set<DefinitionKey>;
  /** User and password for the server that a step fetches from. */
  readonly credentials: (step: StepId) => Credentials | undefined;
  /** Proxies, certificates and what git may know. */
  readonly environment: NodeJS.ProcessEnv;
  /** An ssh agent; undefined when none of that id was given. */
  readonly sshAgent: (id: string) => AgentSource | undefined;
  readonly signal: AbortSignal;
  /** Counts what is fetched and sent; left out where nobody is told. */
  readonly meter?: Meter;
  /** The same for what is counted where it is read, copied or fetched. */
  readonly gauge?: Gauge;
}

/** One build: what it looks up with, what carries steps out, and to whom it reports. */
export interface BuildSession extends LookupSession {
  /** Look for the reason of each miss. */
  readonly explain: boolean;
  /** Carries out what is not in the cache. */
  readonly executor: Executor<CopySources>;
  readonly secret: GetSecret;
  /** Undefined: nobody asked for any. */
  readonly shells: BuildShells | undefined;
  /** See ExecutionIo. */
  readonly restoreMount: SharedCache['restoreMount'] | undefined;
  readonly emit: EventSink;
  /** Told when the entry of a step is in the store. */
  readonly onPublished: (step: StepId, key: DefinitionKey) => void;
}

/** What reading layers takes. */
export type LayerReading = Pick<
  LookupSession,
  'store' | 'scanStore' | 'origins' | 'stacks' | 'signal' | 'meter' | 'scratch'
>;

/**
 * The layers of a step's file system, fetched if need be, topmost first.
 * @param layers bottom first
 * @throws MissingLayersError
 */
export async function getStack(session: LayerReading, layers: readonly LayerId[]): Promise<Stack> {
  await needLayers(session, layers);
  const { store, stacks, scanStore } = session;
  return chainedStack(store, layers, stacks, scanStore.readTree);
}

/**
 * The same for those who read whole directories, of which the root is one: what is being digested is known then, and
 * need not be read again.
 * @throws MissingLayersError
 */
export async function getDigestedStack(
  session: LayerReading,
  layers: readonly LayerId[],
): Promise<Stack> {
  const stack = await getStack(session, layers);
  await awaitDigests(session.store, layers);
  return rootedStack(stack, session.scratch);
}

/**
 * Digests of layers, fetched if they have to be read for it.
 * @throws MissingLayersError
 */
export async function layerDigests(
  session: LayerReading,
  layers: readonly LayerId[],
): Promise<LayerDigest[]> {
  const { store, scanStore } = session;
  return digestsOfLayers(store, scanStore, layers, (id) => needLayers(session, [id]));
}
