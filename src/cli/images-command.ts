/** `wiac pull`, `wiac push` */

import { exportImages } from '../engine/exports/export-image.js';
import { openImageSink } from '../engine/exports/image-sink.js';
import { parseCompression } from '../engine/exports/output-spec.js';
import { requireImage } from '../engine/images/find-image.js';
import { pullImage } from '../engine/images/pull-image.js';
import { imageId } from '../engine/images/settle-image-ids.js';
import { meteredSink, transferMeter } from '../engine/transfers.js';
import { DOCKER_MANIFEST } from '../oci/media-types.js';
import { formatReference, parseReference, parseRegistryReference } from '../oci/reference.js';
import { parseEpoch } from '../plan/epoch.js';
import { hasName, isImageName, normalizeName } from '../store/images/store-images.js';
import { lazyScratch } from '../store/layers/layer-store.js';
import { useLayers } from '../store/pins/uses.js';
import { settleStep } from '../store/recovery/durability.js';
import type { Store } from '../store/store.js';
import { UsageError } from '../util/errors.js';
import type { SetExitCode } from './declare/options.js';
import { wantedPlatform } from './dockerfile-input.js';
import type { RegistryAccessOptions } from './registry-options.js';
import { registryAccess } from './registry-options.js';
import { showTransfers } from './show-transfers.js';
import { readSignedPrefixes } from './signed-prefix-options.js';
import { warnOnStderr } from './warn-of-platform.js';
import { changeStore } from './with-store.js';

/** `wiac pull REF`: the image gets its reference as its name, or the one of --tag. */
export function pullCommand(
  reference: string,
  options: RegistryAccessOptions & {
    readonly tag?: string;
    readonly platform?: string;
    readonly requireSigned: readonly string[];
  },
  setExitCode: SetExitCode,
): Promise<void> {
  return changeStore(setExitCode, async (store) => {
    const platform = wantedPlatform(options.platform);
    const registry = await registryAccess(options);
    const name = options.tag ?? reference;
    const image = await showTransfers((onEvent) =>
      pullImage(store, reference, platform, name, {
        environment: process.env,
        registry,
        requireSigned: readSignedPrefixes(options.requireSigned, process.env),
        warn: warnOnStderr,
        onEvent,
      }),
    );
    process.stdout.write(`${await imageId(store, image)}\n`);
  });
}

/** Options of `wiac push`, as commander gives them. */
export interface PushOptions extends RegistryAccessOptions {
  readonly compression?: string;
  readonly compressionLevel?: string;
  readonly forceCompression: boolean;
  readonly docker: boolean;
}

/** An archive without a name of its own gets the one that the image was asked for by, as with docker save. */
function withName(store: Store, reference: string, asked: string): string {
  const wanted = parseReference(reference);
  const name = normalizeName(asked);
  if (wanted.kind !== 'docker-archive' || wanted.name || !isImageName(name)) return reference;
  if (!hasName(store, name)) return reference;
  return formatReference({ ...wanted, name: parseRegistryReference(name) });
}

/** Where an image goes that is pushed to no place in particular: where its name says, as with docker push. */
function ownPlace(store: Store, name: string): string {
  const own = normalizeName(name);
  if (isImageName(own) && hasName(store, own)) return own;
  throw new UsageError(`${name} is the id of an image: it does not say where to push it`, {
    hint: `write where to: wiac push ${name} host:5000/name:tag`,
  });
}

/**
 * `wiac push NAME [REF]`: prints the manifest's digest.
 * @throws UsageError for an id without a reference
 */
export async function pushCommand(
  name: string,
  given: string | undefined,
  options: PushOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  const wanted = parseCompression(options.compression, options.compressionLevel);
  const { compression = 'gzip', level } = wanted;
  const exportOptions = {
    form: { compression, level, force: options.forceCompression, latest: undefined },
    annotations: [],
    epoch: parseEpoch(process.env.SOURCE_DATE_EPOCH),
  } as const;
  return changeStore(setExitCode, async (store) => {
    const image = await requireImage(store, name);
    const reference = given ?? ownPlace(store, name);
    // A registry takes both kinds, and so an image keeps the one that it was pulled with.
    const cameAsDocker = image.original?.mediaType === DOCKER_MANIFEST;
    const keepsKind = cameAsDocker && parseReference(reference).kind === 'registry';
    const mediaTypes = options.docker || keepsKind ? 'docker' : 'oci';
    useLayers(store, image.layers);
    const place = withName(store, reference, name);
    const sink = openImageSink(place, await registryAccess(options));
    const scratch = lazyScratch(store.paths);
    try {
      const { root } = await showTransfers((onEvent) =>
        exportImages(
          store,
          [{ image }],
          meteredSink(sink, 'push', transferMeter(onEvent)),
          scratch.path(),
          { ...exportOptions, mediaTypes },
        ),
      );
      // The registry has it; to make a blob again after a power cut is cheaper than to wait for the disk.
      await settleStep(store);
      process.stdout.write(`${root.digest}\n`);
    } finally {
      scratch.remove();
      await sink.close();
    }
  });
}
