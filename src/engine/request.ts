/** What a program asks of the engine. Everything that has a default may be left out. */
import type { Readable } from 'node:stream';
import type { ReadLock } from '../lock/locked-inputs.js';
import type { RegistryOptions } from '../oci/registry/registry.js';
import type { Entitlement, ResultOptions } from '../plan/plan.js';
import type { RunResources } from '../plan/step.js';
import type { AgentSource } from '../sources/agent-source.js';
import type { ImageRecord } from '../store/records.js';
import type { SignedPrefix } from '../verify/signed-prefixes.js';

/** When an image is asked for where it comes from although the store has one of that name (podman). */
export type PullPolicy = 'always' | 'missing' | 'newer' | 'never';

/** A Dockerfile, its build context, and what is given to them. */
export interface DockerfileRequest {
  /** The build context: a directory, an archive, a URL, a repository, or `-` for `input`. */
  readonly context: string;
  /** The Dockerfile: a path, a URL, or `-`; `Dockerfile` in the build context by default. */
  readonly file?: string | undefined;
  /** The text of the Dockerfile itself, in the place of a file. */
  readonly dockerfileText?: string | undefined;
  /** A file with patterns in the place of the build context's .dockerignore. */
  readonly ignoreFile?: string | undefined;
  /** Takes the place of the image of the first FROM. */
  readonly firstImage?: string | undefined;
  /** Further contexts by their name (--build-context): directories, archives, images, targets. */
  readonly contexts?: Readonly<Record<string, string>> | undefined;
  /** Results of other builds as contexts, by name: one image for each platform. */
  readonly results?: ReadonlyMap<string, readonly ImageRecord[]> | undefined;
  /** Name or index of a stage; the last one by default. */
  readonly target?: string | undefined;
  /** `os/architecture[/variant]`; this machine's by default. */
  readonly platform?: string | undefined;
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
  /** Labels that the result gets besides those of its instructions. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** The network of RUN steps that ask for nothing else. */
  readonly network?: 'default' | 'none' | 'host' | undefined;
  /** What RUN steps get besides: names of hosts, volumes, capabilities, limits. */
  readonly resources?: Partial<RunResources> | undefined;
  /** What the Dockerfile may ask for beyond the sandbox. */
  readonly allowed?: readonly Entitlement[] | undefined;
  /** What the result is to be besides what its instructions say. */
  readonly result?: Partial<ResultOptions> | undefined;
  readonly pull?: PullPolicy | undefined;
  /**
   * What becomes of the lock file beside the Dockerfile. `use`, the default: the inputs are those
   * that it names, and one that it lacks is a warning; `locked`: that is an error.
   */
  readonly lock?: 'use' | 'locked' | 'ignore' | undefined;
  /** A lock file in the place of the one beside the Dockerfile. */
  readonly lockFile?: ReadLock | undefined;
  /** No RUN has a network but those that allow-network of the lock file names. */
  readonly hermetic?: boolean | undefined;
  /** Images of registries that must be signed; those that are not are refused before they are used. */
  readonly requireSigned?: readonly SignedPrefix[] | undefined;
  /** How registries are reached. */
  readonly registry?: RegistryOptions | undefined;
  /**
   * Variables that decide how the network and other programs are reached: proxies, certificates,
   * DOCKER_CONFIG and the like. The engine reads no other environment; none by default.
   */
  readonly environment?: NodeJS.ProcessEnv | undefined;
  /** An ssh agent by its id; asked when a step wants it, and for `default` when a repository is fetched. */
  readonly sshAgent?: ((id: string) => AgentSource | undefined) | undefined;
  /** Gives what `-` stands for; asked at most once. */
  readonly input?: (() => Readable) | undefined;
  /** Ends whatever is on its way; its reason is what is thrown then. */
  readonly signal?: AbortSignal | undefined;
}
