/** Results into what --output asks for. */
import type { Writable } from 'node:stream';
import { addAbortSignal } from 'node:stream';
import type { Annotation } from '../../oci/annotations.js';
import { dockerArchiveSink } from '../../oci/docker-archive.js';
import { layoutSink } from '../../oci/layout.js';
import { nowhereSink } from '../../oci/nowhere.js';
import { ociArchiveSink } from '../../oci/oci-archive.js';
import { formatReference, parseRegistryReference } from '../../oci/reference.js';
import type { RegistryOptions } from '../../oci/registry/registry.js';
import type { ImageSink } from '../../oci/resolved-image.js';
import { lazyScratch } from '../../store/layers/layer-store.js';
import type { Store } from '../../store/store.js';
import type { TransferKind } from '../events.js';
import type { Gauge, Meter } from '../transfers.js';
import { meteredSink, unmetered } from '../transfers.js';
import type { Exported, ExportItem, ExportOptions } from './export-image.js';
import { DEFAULT_EXPORT, exportImages } from './export-image.js';
import type { ImageOutput, Output } from './output-spec.js';
import { getMediaTypes, STDOUT } from './output-spec.js';
import { standardOutput, writeTrees } from './write-trees.js';

/** What the outputs of one build share. */
export interface OutputRequest {
  readonly store: Store;
  /** One for each platform. */
  readonly items: readonly ExportItem[];
  /** Names of -t. */
  readonly names: readonly string[];
  /** Of --annotation, for every output that is an image. */
  readonly annotations: readonly Annotation[];
  /** SOURCE_DATE_EPOCH, seconds since the epoch. */
  readonly epoch: number | undefined;
  /** How registries are reached. */
  readonly registry: RegistryOptions;
  /** What an archive without a destination is written to. */
  readonly stdout: Writable | undefined;
  /** Ends the work early; its reason is not what is thrown then. */
  readonly signal: AbortSignal;
  readonly meter: Meter;
  /** The same for trees of files. */
  readonly gauge?: Gauge;
}

/** Options for one output. */
function exportOptions(output: ImageOutput, { epoch, annotations }: OutputRequest): ExportOptions {
  const { compression = 'gzip', level, force, rewriteTimestamp } = output.form;
  return {
    form: { compression, level, force, latest: rewriteTimestamp ? epoch : undefined },
    mediaTypes: getMediaTypes(output),
    annotations: [...annotations, ...output.form.annotations],
    epoch,
  };
}

/** A sink whose blobs can't be read any more once the signal says so. */
function interruptible(sink: ImageSink, signal: AbortSignal): ImageSink {
  return {
    ...sink,
    putBlob: (descriptor, open, options) =>
      sink.putBlob(descriptor, async () => addAbortSignal(signal, await open()), options),
  };
}

async function writeTo(
  request: OutputRequest,
  sink: ImageSink,
  options: ExportOptions,
  what: TransferKind = 'export',
): Promise<Exported> {
  const { store, items, signal, meter } = request;
  const scratch = lazyScratch(store.paths);
  try {
    return await exportImages(
      store,
      items,
      meteredSink(interruptible(sink, signal), what, meter),
      scratch.path(),
      {
        ...options,
        signal,
      },
    );
  } finally {
    scratch.remove();
    await sink.close();
  }
}

/** @throws UsageError where there is nothing that it could go to */
function archiveSink(
  output: Output & { type: 'oci' | 'docker' },
  request: OutputRequest,
  names: readonly string[],
): ImageSink {
  const { type, dest, tar } = output;
  const { signal } = request;
  const target = dest === STDOUT ? { stream: standardOutput(request), signal } : dest;
  if (type === 'docker') {
    const references = names.map(parseRegistryReference);
    return dockerArchiveSink({ kind: 'docker-archive', file: dest }, target, references);
  }
  // Programs that are not told which of several images to take refuse to choose: one name it is.
  const [name] = names;
  const tag = name === undefined ? {} : { tag: parseRegistryReference(name).tag ?? 'latest' };
  if (!tar) return layoutSink({ kind: 'oci-layout', directory: dest, ...tag });
  return ociArchiveSink({ kind: 'oci-archive', file: dest, ...tag }, target);
}

/** Several images, or one of which something is said, are written as an index. */
function isIndex({ items }: OutputRequest): boolean {
  return items.length > 1 || items.some(({ attest }) => attest !== undefined);
}

async function writeArchiveOutput(
  request: OutputRequest,
  output: Output & { type: 'oci' | 'docker' },
): Promise<Exported> {
  const options = exportOptions(output, request);
  const names = output.names ?? request.names;
  const [name] = names;
  // What containerd and `docker load` call an image that a layout holds.
  const fullName: Annotation[] =
    name === undefined
      ? []
      : [
          {
            target: isIndex(request) ? 'index-descriptor' : 'manifest-descriptor',
            platform: undefined,
            key: 'io.containerd.image.name',
            value: formatReference(parseRegistryReference(name)),
          },
        ];
  const annotations = [...options.annotations, ...fullName];
  // docker-archive holds layers without compression, those of base images too.
  const form =
    output.type === 'docker'
      ? { ...options.form, compression: 'none' as const, level: undefined, force: true }
      : options.form;
  return writeTo(request, archiveSink(output, request, names), {
    ...options,
    form,
    annotations,
  });
}

async function pushTo(
  request: OutputRequest,
  names: readonly string[],
  options: ExportOptions,
): Promise<Exported | undefined> {
  const { registrySink } = await import('../../oci/registry/registry.js');
  let exported: Exported | undefined;
  for (const name of names) {
    exported = await writeTo(
      request,
      registrySink(parseRegistryReference(name), request.registry),
      options,
      'push',
    );
  }
  return exported;
}

/**
 * Writes one output.
 * @returns what was written, when it is an image
 * @throws ImageError, NoSpaceError
 */
export async function writeOutput(
  request: OutputRequest,
  output: Output,
): Promise<Exported | undefined> {
  switch (output.type) {
    case 'cacheonly':
      return undefined;
    case 'local':
    case 'tar':
      await writeTrees(request, { ...output, type: output.type });
      return undefined;
    case 'oci':
    case 'docker':
      return writeArchiveOutput(request, { ...output, type: output.type });
    case 'image': {
      const options = exportOptions(output, request);
      const names = output.names ?? request.names;
      return output.push ? pushTo(request, names, options) : undefined;
    }
  }
}

/**
 * Digests of the image as an OCI image with gzip layers, which the store keeps; it goes nowhere.
 * @throws ImageError, NoSpaceError
 */
export function describeImage(request: OutputRequest): Promise<Exported> {
  const { annotations, epoch } = request;
  return writeTo({ ...request, meter: unmetered }, nowhereSink(), {
    ...DEFAULT_EXPORT,
    annotations,
    epoch,
  });
}
