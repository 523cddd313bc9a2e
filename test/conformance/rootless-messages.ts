/** What the process that builds cases as an ordinary user tells of them. */

/** Names of what is no case: the base image, and what `wiac cache verify` found in the end. */
export const BASE = 'the base image';
export const VERIFY = 'the cache';

/** What came out of a case that an ordinary user has built. */
export interface Outcome {
  readonly name: string;
  /** Undefined when the test itself failed; `stderr` says how. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** The files by path, and the config, as describe.ts and cases.ts have them. */
  readonly made?: {
    readonly files: readonly (readonly [string, string])[];
    readonly config: Readonly<Record<string, unknown>>;
  };
}
