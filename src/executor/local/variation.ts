/** What may differ between two runs of one step, so that the second one can tell what depends on it. */

/** Undefined: as always. */
export interface Variation {
  readonly hostname?: string | undefined;
  /** The program and what it starts have numbers behind this one; it is no process 1. */
  readonly lastPid?: number | undefined;
  /** Numbers of the CPUs that it may run on. */
  readonly cpus?: readonly number[] | undefined;
  /** Directories of the layers below are listed in another order. */
  readonly order?: boolean | undefined;
  /** Octal. */
  readonly umask?: string | undefined;
  /** Variables that the step itself does not set. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** Names in another order, for the lowest layer of a container. */
export interface OrderedNames {
  /** Empty directory of this machine, where they appear for the container only. */
  readonly directory: string;
  /** As fs/layer/shuffled-names.ts gives them. */
  readonly paths: readonly string[];
}

/** More names take seconds. */
export const MOST_NAMES = 200_000;
