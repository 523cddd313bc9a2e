/**
 * Publishes what steps have made while the steps behind them already run: a container is another process's
 * work, the index is this one's. What is published later is under its lease until then, so that other
 * processes wait for it as for a step that runs.
 *
 * Files are written by threads before the transaction, and steps that follow each other within a moment
 * share one: it waits for the disk.
 */
import { setImmediate } from 'node:timers/promises';
import type { OperationDigest } from '../keys/digest.js';
import type { NewEntry } from '../store/entries/entries.js';
import { saysFull } from '../util/no-space.js';

/** What a step has made, and where it is to go. */
export interface Publication {
  /** Of the entry: another step with the same one may find it by its content. */
  readonly operation: OperationDigest;
  /** Does what needs no transaction. Called when this turn of the event loop is over; once more when it found no room. */
  readonly prepare: () => Promise<void>;
  /** What goes into the transaction. @param again one failed: it may have used up what was prepared */
  readonly entry: (again: boolean) => NewEntry;
  /** It is visible. What it still does is waited for when all is settled. */
  readonly done: () => Promise<void>;
  /** Gives it up. Nothing that was made on it is published either. */
  readonly abandon: () => void;
}

export interface Publisher {
  /** It is published soon, or given up when one before it failed: it could stand on what is not there. */
  readonly add: (publication: Publication) => void;
  /** Publishes what waits if the look-up of a step could find it. @throws the first failure */
  readonly flushFor: (operation: OperationDigest) => Promise<void>;
  /** Publishes what waits, in the order in which it was made; once nothing is made any more. */
  readonly settle: () => Promise<void>;
  /** The same. @throws the first failure */
  readonly flush: () => Promise<void>;
}

/**
 * Half as long as other processes wait before they look again. ms. With 50 a step takes 0.2 ms less, but a program that
 * fills the disk meanwhile costs the steps before it, and so does kill -9.
 */
const MOMENT_MS = 10;

interface Waiting extends Publication {
  /** Begins it, or is what it has come to. */
  readonly prepared: () => Promise<void>;
  /** There was no room for it. */
  readonly again: boolean;
}

/**
 * On a full disk what is made waits until nothing runs any more, or the next one comes: the step that runs may have filled
 * the disk, and gives the room back when it ends. The steps before it are not to pay for that.
 * @param publish in one transaction, all or none
 * @param onFailure told of the first failure, wherever it comes up
 */
export function openPublisher(
  publish: (entries: readonly NewEntry[]) => void,
  onFailure: (error: unknown) => void,
): Publisher {
  let waiting: Waiting[] = [];
  /** Those that `run` has taken. */
  let taken: readonly Waiting[] = [];
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let failure: { readonly error: unknown } | undefined;
  const rest: Promise<void>[] = [];

  const fail = (error: unknown): void => {
    if (failure) return;
    failure = { error };
    onFailure(error);
  };
  const giveUp = ({ abandon }: Waiting): void => {
    try {
      abandon();
    } catch (error) {
      // Garbage can wait; nobody could catch what is thrown between two turns of the event loop.
      fail(error);
    }
  };
  const conclude = ({ done }: Waiting): void => void rest.push(done().catch(fail));
  const mayWait = (error: unknown, isLast: boolean) => !isLast && !failure && saysFull(error);
  /** @returns those that have to wait */
  const publishEach = (batch: readonly Waiting[], isLast: boolean): readonly Waiting[] => {
    for (const [index, publication] of batch.entries()) {
      try {
        if (failure) giveUp(publication);
        else {
          publish([publication.entry(true)]);
          conclude(publication);
        }
      } catch (error) {
        if (mayWait(error, isLast)) return batch.slice(index);
        fail(error);
        giveUp(publication);
      }
    }
    return [];
  };
  const publishBatch = (batch: readonly Waiting[], isLast: boolean): readonly Waiting[] => {
    let together = failure === undefined;
    try {
      if (together) publish(batch.map((publication) => publication.entry(publication.again)));
    } catch {
      // Those before the one that can't be published can.
      together = false;
    }
    if (!together) return publishEach(batch, isLast);
    batch.forEach(conclude);
    return [];
  };
  /** @returns those that have to wait */
  const publishTaken = async (isLast: boolean): Promise<readonly Waiting[]> => {
    const ready = await Promise.allSettled(taken.map(({ prepared }) => prepared()));
    const broken = ready.findIndex(({ status }) => status === 'rejected');
    const good = broken === -1 ? taken : taken.slice(0, broken);
    const others = taken.slice(good.length);
    const late = publishBatch(good, isLast);
    const { reason } = (ready[broken] ?? {}) as { readonly reason?: unknown };
    if (late.length > 0 || (broken !== -1 && mayWait(reason, isLast))) return [...late, ...others];
    if (broken !== -1 && !failure) fail(reason);
    return publishEach(others, isLast);
  };
  const run = async (isLast: boolean): Promise<void> => {
    while (waiting.length > 0) {
      taken = waiting;
      waiting = [];
      const late = await publishTaken(isLast);
      taken = [];
      if (late.length === 0) continue;
      waiting = [...late.map((one) => ({ ...one, again: true })), ...waiting];
      return;
    }
  };
  const begin = (isLast: boolean): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    running ??= run(isLast).finally(() => {
      running = undefined;
    });
    return running;
  };
  const settle = async (): Promise<void> => {
    while (running || waiting.length > 0) await begin(true);
    await Promise.all(rest.splice(0));
  };
  const flush = async (): Promise<void> => {
    await settle();
    if (failure) throw failure.error;
  };
  return {
    settle,
    flush,
    async flushFor(operation) {
      const all = [...taken, ...waiting];
      if (all.some((publication) => publication.operation === operation)) await flush();
    },
    add(publication) {
      // The step behind it is begun first.
      let begun: Promise<void> | undefined = setImmediate().then(publication.prepare);
      // It is waited for in its turn.
      begun.catch(() => {});
      const prepared = (): Promise<void> => {
        begun ??= publication.prepare();
        return begun.catch((error) => {
          begun = undefined;
          throw error;
        });
      };
      waiting.push({ ...publication, prepared, again: false });
      timer ??= setTimeout(() => void begin(false), MOMENT_MS);
    },
  };
}
