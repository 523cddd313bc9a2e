/** Hands a step to the executor, and tells what becomes of it while it goes on. */
import type {
  ExecutionInputs,
  ExecutionIo,
  KeyedRequest,
  LayerArtifact,
} from '../executor/executor.js';
import type { KeyedStep } from '../keys/inputs.js';
import { layerArchive } from '../store/blobs/diff-ids.js';
import { counting } from '../util/byte-counter.js';
import { throttle } from '../util/throttle.js';
import type { BuildSession } from './build-session.js';
import type { TransferKind } from './events.js';
import { openLayerBlob } from './layer-blob.js';
import type { ContentLookup, KeyedInputs } from './lookup.js';
import { getCounter } from './transfers.js';

/** How often it is told what a program is writing. ms */
const UNFINISHED_MS = 250;

/** What the bytes of a step are, and where they go or come from. Those of a RUN are its own affair. */
function transferOf(step: KeyedStep): readonly [TransferKind, string] {
  return step.kind === 'fetch'
    ? ['add', step.source.url]
    : ['copy', step.kind === 'copy' ? step.destination : ''];
}

/** What an executor that looks steps up by itself has to know. */
export function keyedRequest(
  { skipsCache }: BuildSession,
  { step, key, operation, inputs }: KeyedInputs,
): KeyedRequest {
  return { step, key, operation, inputs, skipsCache: skipsCache(step) };
}

/** @throws what the executor throws */
export async function carryOut(
  session: BuildSession,
  keyed: KeyedInputs,
  inputs: ExecutionInputs,
  { sources }: ContentLookup,
  ahead: ExecutionIo['ahead'],
): Promise<LayerArtifact> {
  const { store, executor, emit, secret, sshAgent, signal } = session;
  const { step } = keyed;
  const unfinished = throttle(UNFINISHED_MS, (text: string) =>
    emit({ type: 'unfinished', step: step.id, text }),
  );
  const output = (text: string) => {
    unfinished.drop();
    emit({ type: 'output', step: step.id, text });
  };
  const execute = (onBytes: (bytes: number) => void) =>
    executor.execute(step, inputs, {
      onBytes,
      output,
      unfinished: unfinished.hear,
      signal,
      secret,
      sshAgent,
      restoreMount: session.restoreMount,
      credentials: session.credentials(step.id),
      sources: step.kind === 'copy' ? sources : undefined,
      shells: session.shells?.of(step, signal),
      openLayer: ({ id }) => layerArchive(store, id),
      openBlob: ({ id }) => openLayerBlob(session, id),
      keyed: keyedRequest(session, keyed),
      ahead,
      onPlace: (worker) => emit({ type: 'placed', step: step.id, worker }),
    });
  try {
    return await counting(getCounter(session, ...transferOf(step)), undefined, execute);
  } finally {
    unfinished.drop();
  }
}
