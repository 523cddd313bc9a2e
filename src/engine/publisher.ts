/**
 * Publishes what steps have made while the steps behind them already run: a container is another process's
 * work, the index is this one's. What is published later is under its lease until then, so that other
 * processes wait for it as for a step that runs.
 */
import type { OperationDigest } from '../keys/digest.js';

/** What a step has made, and where it is to go. */
export interface Publication {
  /** Of the entry: another step with the same one may find it by its content. */
  readonly operation: OperationDigest;
  /** Makes it visible, in one transaction. */
  readonly publish: () => void;
  /** Gives it up. Nothing that was made on it is published either. */
  readonly abandon: () => void;
}

export interface Publisher {
  /** It is published soon, or given up when one before it failed: it could stand on what is not there. */
  readonly add: (publication: Publication) => void;
  /** Publishes what waits if the look-up of a step could find it. @throws the first failure */
  readonly flushFor: (operation: OperationDigest) => void;
  /** Publishes what waits, in the order in which it was made; once nothing is made any more. */
  readonly settle: () => void;
  /** The same. @throws the first failure */
  readonly flush: () => void;
}

/** @param onFailure told of the first failure, wherever it comes up */
export function openPublisher(onFailure: (error: unknown) => void): Publisher {
  const waiting: Publication[] = [];
  let failure: { readonly error: unknown } | undefined;
  let due: NodeJS.Immediate | undefined;
  const fail = (error: unknown) => {
    if (failure) return;
    failure = { error };
    onFailure(error);
  };
  const publishNext = ({ publish, abandon }: Publication) => {
    try {
      if (!failure) return publish();
    } catch (error) {
      fail(error);
    }
    try {
      abandon();
    } catch (error) {
      // Garbage can wait; nobody could catch what is thrown between two turns of the event loop.
      fail(error);
    }
  };
  const publishAll = () => {
    due = undefined;
    for (let next = waiting.shift(); next; next = waiting.shift()) publishNext(next);
  };
  const settle = () => {
    clearImmediate(due);
    publishAll();
  };
  const flush = () => {
    settle();
    if (failure) throw failure.error;
  };
  return {
    settle,
    flush,
    flushFor(operation) {
      if (waiting.some((publication) => publication.operation === operation)) flush();
    },
    add(publication) {
      waiting.push(publication);
      // Promises are settled first: a step behind it begins its container meanwhile.
      due ??= setImmediate(publishAll);
    },
  };
}
