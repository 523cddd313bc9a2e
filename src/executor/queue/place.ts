/** Which worker a chain of steps is given to. Pure: docs/scale.md has what a simulation of a fleet says of it. */

/** A layer that a chain stands on, or reads. */
export interface PlacedLayer {
  readonly diffId: string;
  /** Of its compressed archive: what a worker without it has to fetch. */
  readonly bytes: number;
}

/** A worker that a chain could be given to. */
export interface Candidate {
  readonly id: string;
  readonly slots: number;
  /** Steps that it is at or has been given. */
  readonly busy: number;
}

/** Whoever holds less of a chain's layers than this has no advantage: asking for them takes longer. Bytes. */
const WORTH_BYTES = 1 << 20;

/** What workers hold. */
export interface Holdings<T extends Candidate> {
  /** The workers with this layer that may run the chain. */
  readonly holders: (diffId: string) => Iterable<T>;
}

/**
 * The worker that holds most bytes of a chain's layers, of those with a free slot; of several the one
 * that is least busy.
 * @returns undefined when none has an advantage: whoever has room first takes it
 */
export function placeChain<T extends Candidate>(
  layers: readonly PlacedLayer[],
  { holders }: Holdings<T>,
): T | undefined {
  const held = new Map<T, number>();
  for (const { diffId, bytes } of layers)
    for (const worker of holders(diffId))
      if (worker.busy < worker.slots) held.set(worker, (held.get(worker) ?? 0) + bytes);
  let best: T | undefined;
  let most = WORTH_BYTES - 1;
  for (const [worker, bytes] of held) {
    const isBetter =
      bytes > most || (bytes === most && best !== undefined && isFreer(worker, best));
    if (!isBetter) continue;
    best = worker;
    most = bytes;
  }
  return best;
}

function isFreer(one: Candidate, other: Candidate): boolean {
  const difference = one.busy / one.slots - other.busy / other.slots;
  return difference < 0 || (difference === 0 && one.id < other.id);
}
