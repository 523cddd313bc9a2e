/** Writes the result of a build where it is wanted: registries, archives, layouts, directories. */
import type { Writable } from 'node:stream';
import type { Annotation } from '../../oci/annotations.js';
import type { RegistryOptions } from '../../oci/registry/registry.js';
import { useLayers } from '../../store/pins/uses.js';
import { settle } from '../../store/recovery/durability.js';
import type { Store } from '../../store/store.js';
import type { DockerfileResult } from '../build-dockerfile.js';
import type { EventSink } from '../events.js';
import { heard } from '../heard.js';
import { transferGauge, transferMeter, unmetered } from '../transfers.js';
import type { AttestPlan } from './attestations.js';
import { attestedItem } from './attestations.js';
import type { Exported } from './export-image.js';
import type { Output } from './output-spec.js';
import { requireElsewhere } from './require-elsewhere.js';
import type { OutputRequest } from './write-output.js';
import { describeImage, writeOutput } from './write-output.js';

/** Where a result goes, and what is said about it. */
export interface ResultExport {
  /** As parseOutput reads them. */
  readonly outputs: readonly Output[];
  /** Names of the image where an output gives none. */
  readonly names: readonly string[];
  readonly annotations?: readonly Annotation[] | undefined;
  readonly attestations?: AttestPlan | undefined;
  /** How registries are reached. */
  readonly registry?: RegistryOptions | undefined;
  /** What an archive without a destination is written to. */
  readonly stdout?: Writable | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Receives `transfer` events. What it throws ends the export. */
  readonly onEvent?: EventSink | undefined;
}

const NOTHING_SAID: AttestPlan = { provenance: undefined, sbom: false };

function getRequest(store: Store, result: DockerfileResult, wanted: ResultExport): OutputRequest {
  const { names, annotations = [], attestations = NOTHING_SAID, registry = {}, stdout } = wanted;
  // A build that found every step has declared no use of its layers; their files are read now.
  const layers = result.platforms.flatMap(({ result: { image, elsewhere } }) =>
    image.layers.filter((id) => !elsewhere.has(id)),
  );
  useLayers(store, layers);
  const facts = { ...result.facts, names };
  const items = result.platforms.map((built) => attestedItem(attestations, store, built, facts));
  const { signal = new AbortController().signal, onEvent } = wanted;
  const meter = onEvent ? transferMeter(onEvent, 'export') : unmetered;
  const gauge = onEvent && transferGauge(onEvent, 'tree');
  const shared = { store, items, names, annotations, registry, stdout, signal, meter };
  return { ...shared, epoch: facts.epoch, ...(gauge ? { gauge } : {}) };
}

/**
 * Writes the outputs, one after the other.
 * @returns what the last one wrote that is an image
 * @throws ImageError, NoSpaceError, UsageError; LayersGoneError when another process removed a
 *   layer since the build ended; the signal's reason; what `onEvent` threw
 */
export async function exportResult(
  store: Store,
  result: DockerfileResult,
  wanted: ResultExport,
): Promise<Exported | undefined> {
  requireElsewhere(store.paths.root, wanted.outputs);
  return heard(wanted, async (hearing) => {
    const request = getRequest(store, result, { ...wanted, ...hearing });
    let exported: Exported | undefined;
    for (const output of wanted.outputs)
      exported = (await writeOutput(request, output)) ?? exported;
    await settle(store);
    return exported;
  });
}

/** What a result would be as an image, when no image was asked for; see describeImage. */
export function describeResult(
  store: Store,
  result: DockerfileResult,
  wanted: ResultExport,
): Promise<Exported> {
  return describeImage(getRequest(store, result, wanted));
}
