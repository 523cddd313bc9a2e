/** What steps share that are carried out on this machine, in the build's own store. */

import type { WiacSys } from '../../native/wiac-sys.js';
import type { IndexScanStore } from '../../store/entries/scan-store.js';
import type { StackTree } from '../../store/layers/layer-stack.js';
import type { Store } from '../../store/store.js';
import type { ControlLimits } from './cgroup-limits.js';
import type { Isolation } from './container.js';
import type { ContainerPool } from './container-pool.js';
import type { DeepStacks } from './deep-stacks.js';
import type { DraftPool } from './draft-pool.js';
import type { GroupPool } from './group-pool.js';
import type { SharedPlaces } from './shared-places.js';
import type { Variation } from './variation.js';

export interface LocalMachine {
  readonly store: Store;
  readonly scanStore: IndexScanStore;
  readonly isolation: Isolation;
  /** As in Container. */
  readonly runtime: string | undefined;
  /** What a RUN gets that asks for no network in particular. */
  readonly network: 'host' | 'private';
  /** What each RUN may use of this machine. */
  readonly limits: ControlLimits;
  /** Where its layers are made. */
  readonly drafts: DraftPool;
  /** The control groups that see to that. */
  readonly groups: GroupPool;
  /** Proxies, certificates and what git may know. */
  readonly environment: NodeJS.ProcessEnv;
  /** Directory for short-lived files of this build, made when it is first asked for. */
  readonly scratch: () => string;
  /** The stacks of the build's steps, with what was found out about them. */
  readonly stacks: StackTree;
  /** What its containers have in common. */
  readonly places: SharedPlaces;
  /** Mounts that its containers stand on. */
  readonly deep: DeepStacks;
  /** Its containers. */
  readonly containers: ContainerPool;
  /** Whether another RUN is known to follow: a container can wait for it. */
  readonly expectsRun: () => boolean;
  /** Makes them. */
  readonly sys: WiacSys;
  /** In what its RUN steps find this machine changed. */
  readonly variation?: Variation | undefined;
  /** Counts up, for names that must not repeat within this process. */
  readonly nextNumber: () => number;
}

/** The same without what the executor makes for itself. */
export type GivenMachine = Omit<
  LocalMachine,
  'places' | 'deep' | 'drafts' | 'groups' | 'containers' | 'expectsRun'
>;
