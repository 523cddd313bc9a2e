/**
 * A step: one node of the DAG that a Dockerfile is compiled to. Steps are plain JSON, so that a
 * plan can be printed, compared, and a step be carried out by another machine.
 */

import type { RunMount } from '../dockerfile/mount-flags.js';
import type { SourceLocation } from '../util/errors.js';
import { withoutCredentials } from '../util/redact.js';
import type { Users } from '../util/user-namespace.js';
import type { RemoteSource } from './remote.js';

/** Position-independent name of a step within its plan (`s1`, `s2` ...). */
export type StepId = string & { readonly __brand: 'StepId' };

interface StepBase {
  readonly id: StepId;
  /** The step whose file system this one continues; undefined at the bottom of a stage. */
  readonly parent: StepId | undefined;
  /** Other steps whose files this one reads (COPY --from, RUN --mount=from). */
  readonly reads: readonly StepId[];
  /** The instruction after expansion, for people. */
  readonly text: string;
  /** Name of the stage, or its index when it has no name. */
  readonly stage: string;
  /** `os/architecture[/variant]` of its stage. */
  readonly platform: string;
  readonly location: SourceLocation;
}

/** Where a stage begins: nothing at all (scratch), or the layers of an image. */
export interface SourceStep extends StepBase {
  readonly kind: 'source';
  /** `scratch`, or the reference of an image. */
  readonly reference: string;
  /** Digest of the image's manifest; undefined for scratch. */
  readonly digest: string | undefined;
}

/** A file whose content stands in the Dockerfile itself (COPY <<EOF). */
export interface InlineFile {
  readonly name: string;
  readonly content: string;
}

/** COPY and ADD: files from a build context or another step become a layer. */
export interface CopyStep extends StepBase {
  readonly kind: 'copy';
  /** undefined: a build context. */
  readonly from: StepId | undefined;
  /** Name of a context given with --build-context; '' for the build context itself. */
  readonly context: string;
  readonly sources: readonly string[];
  /** The sources are names of files, in which `[`, `*` and `?` mean themselves. */
  readonly literal?: true;
  readonly inline: readonly InlineFile[];
  /** Absolute path in the image; ends in `/` when it must be a directory. */
  readonly destination: string;
  /** `user[:group]`, names or numbers; undefined: 0:0 from the context, unchanged from a step. */
  readonly chown: string | undefined;
  /** Octal or symbolic mode. */
  readonly chmod: string | undefined;
  readonly parents: boolean;
  readonly exclude: readonly string[];
  /** COPY --link: existing symlinks in the destination are not followed. */
  readonly link: boolean;
  /** ADD: are archives unpacked? `detect`: those that are one. */
  readonly unpack: 'never' | 'detect';
}

/** What a lock file says of a source: the digest of a file, the commit of a repository. */
export interface LockedContent {
  readonly content: string;
  /** The lock file, for messages. */
  readonly by: string;
}

/** ADD of something from the network: it becomes a layer of its own, which a COPY takes it from. */
export interface FetchStep extends StepBase {
  readonly kind: 'fetch';
  readonly source: RemoteSource;
  /** Counts in the key as what the source would be found to be. */
  readonly locked?: LockedContent;
}

/** RUN: a program changes the file system. */
export interface RunStep extends StepBase {
  readonly kind: 'run';
  readonly argv: readonly string[];
  /** Environment from ENV and ARG, in order. */
  readonly env: readonly (readonly [string, string])[];
  /** Environment that must not enter the key: predefined proxy arguments. */
  readonly hiddenEnv: readonly (readonly [string, string])[];
  /** Content for the program's standard input or a script file: heredocs. */
  readonly script: string | undefined;
  readonly workdir: string;
  /** `user[:group]` as in USER; empty: root. */
  readonly user: string;
  readonly mounts: readonly RunMount[];
  /**
   * For each mount that shows files of somewhere else: the place of the step that holds them in
   * `reads`. Files of the build context come through a COPY of their own that no stage shows.
   */
  readonly mountSources: readonly (number | undefined)[];
  readonly network: 'default' | 'none' | 'host';
  readonly security: 'sandbox' | 'insecure';
  readonly resources: RunResources;
}

/** What --dns, --dns-search and --dns-option say; an empty list leaves what this machine has. */
export interface Resolver {
  readonly servers: readonly string[];
  /** `.` alone: no domain is searched. */
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** A directory or file of this machine that RUN steps see. Its content counts in no key. */
export interface Volume {
  /** Absolute path on this machine. */
  readonly source: string;
  /** Absolute path in the container. */
  readonly target: string;
  readonly readOnly: boolean;
  /** What a step writes is thrown away when it ends. */
  readonly discard: boolean;
}

/**
 * What the command line of a build gives its RUN steps. All of it counts in their keys; members that
 * were not asked for are left out.
 */
export interface RunResources {
  /** Lines for /etc/hosts. */
  readonly extraHosts: readonly string[];
  /** Bytes of /dev/shm. */
  readonly shmSize: number;
  readonly ulimits: readonly ResourceLimit[];
  /** --no-hosts: /etc/hosts is that of the image. */
  readonly noHosts?: true;
  /** --dns and its like; `none`: /etc/resolv.conf is that of the image. */
  readonly resolver?: Resolver | 'none';
  /** Numbers of linux/capability.h, sorted. */
  readonly capabilities?: { readonly add: readonly number[]; readonly drop: readonly number[] };
  readonly volumes?: readonly Volume[];
  /** Not asked for: who is there, in a user namespace without some. chown(2) and setuid(2) fail for those. */
  readonly users?: Users;
}

/** Resource limit as setrlimit(2) takes it: number of linux/resource.h, soft and hard value. */
export interface ResourceLimit {
  readonly resource: number;
  readonly soft: number;
  readonly hard: number;
}

/** WORKDIR: the directory is made if it is not there yet. */
export interface WorkdirStep extends StepBase {
  readonly kind: 'workdir';
  readonly path: string;
  readonly user: string;
}

/** --squash: the layers of the step in `reads` that are above those of the parent become one. */
export interface SquashStep extends StepBase {
  readonly kind: 'squash';
}

/** An instruction that changes the image config alone and makes no layer. */
export interface MetaStep extends StepBase {
  readonly kind: 'meta';
}

export type Step =
  | SourceStep
  | FetchStep
  | CopyStep
  | RunStep
  | WorkdirStep
  | SquashStep
  | MetaStep;

/** Is it a RUN that can fetch nothing: what it makes, it makes of its inputs? */
export function isHermetic(step: Step): boolean {
  return step.kind === 'run' && step.network === 'none';
}

/** A step as it may be printed: a proxy's address can hold a password. */
export function printedStep<S extends Step>(step: S): S {
  if (step.kind !== 'run') return step;
  const hiddenEnv = step.hiddenEnv.map(([name, value]) => [name, withoutCredentials(value)]);
  return { ...step, hiddenEnv };
}
