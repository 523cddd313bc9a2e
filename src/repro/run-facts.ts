/** What is known of one of the two runs of a step. */
export interface RunFacts {
  readonly hostname: string;
  /** How many CPUs it could use. */
  readonly cpus: number;
  /** Seconds since 1970. */
  readonly began: number;
  readonly ended: number;
  /** Its processes have numbers behind this one; undefined: small ones. */
  readonly lastPid?: number | undefined;
}
