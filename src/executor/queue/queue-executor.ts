/** Carries steps out on workers, and on this machine what can't travel: what reads the build context, for one. */
import type { KeyObject } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { ContentKey } from '../../keys/digest.js';
import type { KeyedStep } from '../../keys/inputs.js';
import { ImageError } from '../../oci/image-error.js';
import type { Descriptor, Digest, OpenBlob } from '../../oci/resolved-image.js';
import { printedStep } from '../../plan/step.js';
import type { LayerId } from '../../store/records.js';
import { abortable } from '../../util/abort.js';
import {
  ContextError,
  DockerfileError,
  NoSpaceError,
  QueueError,
  StepFailedError,
  UnsupportedError,
} from '../../util/errors.js';
import type {
  BlobLayer,
  ExecutionInputs,
  ExecutionIo,
  Executor,
  InputLayer,
  KeyedRequest,
  LayerArtifact,
} from '../executor.js';
import type { Coordinator } from './coordinator.js';
import { WorkerFailure } from './coordinator.js';
import { obstacle } from './portable-step.js';
import type { StepOutcome, WireLayer, WireStep } from './queue-protocol.js';
import { jobLabel } from './queue-trust.js';
import type { SecretRequest } from './sealed-secrets.js';
import { sealSecrets, secretIds } from './sealed-secrets.js';

/** Where layers go between coordinators and workers. */
export interface BlobPlace {
  readonly registry: string | undefined;
  readonly has: (digest: Digest) => Promise<boolean>;
  readonly put: (descriptor: Descriptor, open: OpenBlob) => Promise<void>;
  readonly open: (descriptor: Descriptor) => Promise<Readable>;
}

/** What an executor of a queue is made of. */
export interface QueueExecution<Sources> {
  /** Opens the queue when the first step is sent. */
  readonly coordinator: () => Promise<Coordinator>;
  readonly blobs: BlobPlace;
  readonly local: Executor<Sources>;
  /** Public key of the only workers that may have steps, and secrets; undefined: steps with secrets stay here. */
  readonly workerKey: KeyObject | undefined;
  /** Private key that jobs are signed with. */
  readonly signKey: KeyObject | undefined;
  /** What a worker needs for this step. */
  readonly label: (step: KeyedStep) => string | undefined;
}

export function toWire({ diffId, descriptor, digest, newest }: BlobLayer): WireLayer {
  const { mediaType, digest: blob, size } = descriptor;
  return {
    diffId,
    blob: { mediaType, digest: blob, size },
    ...(digest === undefined ? {} : { digest }),
    ...(newest === undefined ? {} : { newest }),
  };
}

export function fromWire({ diffId, blob, digest, newest }: WireLayer): BlobLayer {
  const { mediaType, size } = blob;
  return { diffId, descriptor: { mediaType, digest: blob.digest as Digest, size }, digest, newest };
}

function wireStep(
  { step, key, operation, inputs, skipsCache }: KeyedRequest,
  reads: WireStep['reads'],
): WireStep {
  // A proxy's address can hold a password, and counts in no key.
  return { step: printedStep(step), key, operation, inputs, skipsCache, reads };
}

/** What a failure there is here. Pure. */
export function toError({ worker, failure }: WorkerFailure, { location }: KeyedStep): Error {
  const { code, message, hint, exitCode, lastLines = [] } = failure;
  const there = `${message} (on ${worker})`;
  switch (code) {
    case 'STEP_FAILED':
      return new StepFailedError(message, location, exitCode ?? 1, lastLines, hint);
    case 'DOCKERFILE':
      return new DockerfileError(message, location, { hint });
    case 'CONTEXT':
      return new ContextError(message, location, { hint });
    case 'UNSUPPORTED':
      return new UnsupportedError(there, location, { hint });
    case 'NO_SPACE':
      return new NoSpaceError(there, { hint });
    case 'IMAGE':
      return new ImageError(there, { hint });
    default:
      return new QueueError(there, { hint });
  }
}

function toArtifact({
  layer,
  contentKey,
  files,
  reads,
  measures,
  cached = false,
}: StepOutcome): LayerArtifact {
  return {
    content: layer ? { kind: 'blob', layer: fromWire(layer) } : { kind: 'none' },
    ...measures,
    linked: 0,
    links: undefined,
    opaque: undefined,
    withoutXattrs: undefined,
    tree: undefined,
    digest: undefined,
    selections: undefined,
    found: { contentKey: contentKey as ContentKey | undefined, reads, files, cached },
  };
}

/** The executor of a queue. It shares the store for the steps that don't travel. */
export function queueExecutor<Sources>({
  coordinator,
  blobs,
  local,
  workerKey,
  signKey,
  label: ownLabel,
}: QueueExecution<Sources>): Executor<Sources> {
  const travels = (step: KeyedStep) => obstacle(step, workerKey !== undefined) === undefined;
  const label = (step: KeyedStep) => jobLabel(ownLabel(step), workerKey, signKey);
  const placing = new Map<LayerId, Promise<WireLayer>>();
  /** Blobs that the place has, as workers say. */
  const made = new Set<string>();
  const put = async (layer: InputLayer, io: ExecutionIo<Sources>): Promise<WireLayer> => {
    const { layer: blob, open } = await io.openBlob(layer);
    if (!made.has(blob.descriptor.digest)) await blobs.put(blob.descriptor, open);
    return toWire(blob);
  };
  /** Makes sure that workers can have a layer. */
  const place = (layer: InputLayer, io: ExecutionIo<Sources>): Promise<WireLayer> => {
    const { id } = layer;
    const begun = placing.get(id) ?? put(layer, io);
    placing.set(id, begun);
    // The next step that needs it tries again.
    begun.catch(() => placing.delete(id));
    return begun;
  };
  const placeAll = (layers: readonly InputLayer[], io: ExecutionIo<Sources>) =>
    Promise.all(layers.map((layer) => place(layer, io)));

  const carryOut = async (
    step: KeyedStep,
    inputs: ExecutionInputs,
    io: ExecutionIo<Sources>,
  ): Promise<LayerArtifact> => {
    const { keyed, signal, output, onPlace = () => {} } = io;
    if (!keyed) throw new Error('a step without its keys');
    const [base, reads, open] = await Promise.all([
      placeAll(inputs.base, io),
      Promise.all(inputs.reads.map((layers) => placeAll(layers, io))),
      coordinator(),
    ]);
    const seal = async (request: SecretRequest): Promise<string> => {
      if (!workerKey) throw new QueueError('secrets go to no worker without --worker-key');
      const secrets = new Map<string, Buffer>();
      for (const id of secretIds(step)) {
        const value = await io.secret(id, signal);
        if (value !== undefined) secrets.set(id, value);
      }
      return sealSecrets(request, keyed.key, workerKey, secrets);
    };
    const wanted = label(step);
    const following = (await io.ahead?.()) ?? [];
    const end = following.findIndex((next) => label(next.step) !== wanted);
    const ahead = following.slice(0, end === -1 ? undefined : end);
    const outcome = await open.carryOut(
      {
        base,
        step: wireStep(keyed, reads),
        ahead: ahead.map((next) => wireStep(next, [])),
        label: wanted,
      },
      { output, onPlace, signal, seal, hasBlob: (digest) => blobs.has(digest as Digest) },
    );
    const { layer } = outcome;
    if (layer) made.add(layer.blob.digest);
    return toArtifact(outcome);
  };

  return {
    sharesStore: true,
    travels,
    openBlob: (descriptor) => blobs.open(descriptor),
    blobRegistry: blobs.registry,
    close: async () => local.close?.(),
    execute: async (step, inputs, io) => {
      if (!travels(step)) return local.execute(step, inputs, io);
      try {
        // A place that does not answer takes a layer for ever.
        return await abortable(io.signal, () => carryOut(step, inputs, io));
      } catch (error) {
        throw error instanceof WorkerFailure ? toError(error, step) : error;
      }
    },
  };
}
