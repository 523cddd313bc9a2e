/** What a Dockerfile is compiled to. */

import type { BaseImage } from '../oci/base-image.js';
import type { ContainerConfig, HistoryEntry } from '../oci/image-config.js';
import type { SourceLocation } from '../util/errors.js';
import type { Credentials } from './git-url.js';
import type { RemoteSource } from './remote.js';
import type { LockedContent, RunResources, Step, StepId } from './step.js';

/** Docker's default size of /dev/shm. */
export const DEFAULT_SHM_BYTES = 64 << 20;

/** What a name of --build-context stands for. */
export type NamedContext =
  | { readonly kind: 'directory' }
  | { readonly kind: 'image'; readonly reference: string }
  | { readonly kind: 'target'; readonly stage: string };

/** What --allow can grant. */
export type Entitlement = 'security.insecure' | 'network.host';

/** What the command line changes in the image that the last instruction leaves. */
export interface ResultOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly unsetEnv: readonly string[];
  readonly unsetLabels: readonly string[];
  /** One layer in the place of those that are new, or of all. */
  readonly squash: 'new' | 'all' | undefined;
  readonly omitHistory: boolean;
}

/** A RUN, and where it is in its stage. */
export interface PlacedRun {
  readonly stage: string;
  /** Counts the instructions of the stage from 1, which is FROM. */
  readonly place: number;
  /** As written. */
  readonly text: string;
}

/** What the plan depends on besides the text of the Dockerfile. */
export interface PlanOptions {
  /** Values of --build-arg. */
  readonly buildArgs: Readonly<Record<string, string>>;
  /** --target: name or index of a stage; undefined: the last one. */
  readonly target: string | undefined;
  /** Platform that is built for, `os/architecture[/variant]`. */
  readonly platform: string;
  /** Platform of this machine, the BUILDPLATFORM. */
  readonly buildPlatform: string;
  /** Labels of --label, added to the result's config. */
  readonly labels: Readonly<Record<string, string>>;
  /** --network: what RUN steps get that ask for nothing else. */
  readonly network: 'default' | 'none' | 'host';
  readonly resources: RunResources;
  /** --build-context: what these names (contextName) mean, before stages and images. */
  readonly contexts: ReadonlyMap<string, NamedContext>;
  /**
   * Config of an image for a platform; the plan asks only for images that it needs, and says which
   * instruction does.
   */
  readonly image: (reference: string, platform: string, location: SourceLocation) => BaseImage;
  /** What a lock file says of a source of ADD. */
  readonly lockedContent?: (
    source: RemoteSource,
    location: SourceLocation,
  ) => LockedContent | undefined;
  /** Of a hermetic build: may this RUN have a network? */
  readonly mayConnect?: (run: PlacedRun) => boolean;
  /** What the result is to be besides what its instructions say. */
  readonly result?: ResultOptions;
  /** --allow: what a Dockerfile may ask for beyond the sandbox. */
  readonly allowed: readonly Entitlement[];
}

/** What a program finds that is started where a step has ended. */
export interface StepSettings {
  /** ENV, without the arguments that a RUN sees. */
  readonly env: readonly (readonly [string, string])[];
  /** `user[:group]`; empty: root. */
  readonly user: string;
  readonly workdir: string;
}

/** The steps that the target needs, each after all steps that it depends on. Other stages are left out. */
export interface Plan {
  /** Platform of the stage that is the result. */
  readonly platform: string;
  readonly steps: readonly Step[];
  /** The step whose file system is the result. */
  readonly target: StepId;
  readonly config: ContainerConfig;
  /** MAINTAINER, or that of the base image. */
  readonly author: string | undefined;
  /** With the step of each entry, because only a build knows which steps left no layer. */
  readonly history: readonly (HistoryEntry & { readonly step: StepId })[];
  /** User and password for the server that a step fetches from. A function, so that no printed plan has them. */
  readonly credentials: (step: StepId) => Credentials | undefined;
  /** A function, because all of them take much more than the steps. */
  readonly settings: (step: StepId) => StepSettings;
  /** Warnings: build arguments that no ARG of a built stage declares. */
  readonly warnings: readonly string[];
}
