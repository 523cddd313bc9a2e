/** `wiac inspect`, `wiac history` */

import { getCreated, historyRows } from '../engine/exports/image-history.js';
import { requireImage } from '../engine/images/find-image.js';
import { getRecords, imageId, manifestDigests } from '../engine/images/settle-image-ids.js';
import { formatLowerdirs, withoutRepeats } from '../executor/local/overlay.js';
import { parsePlatform } from '../oci/platform.js';
import { formatReference, parseRegistryReference } from '../oci/reference.js';
import { layerDiffId } from '../store/blobs/diff-ids.js';
import { getNames } from '../store/images/store-images.js';
import { findLayer } from '../store/layers/find-layers.js';
import { layerFiles, layerLinks } from '../store/layers/layer-store.js';
import type { ImageRecord } from '../store/records.js';
import type { Store } from '../store/store.js';
import { formatAge, formatBytes, formatTable } from '../ui/format.js';
import { fillTemplate, isTemplate } from '../ui/template.js';
import type { SetExitCode } from './declare/options.js';
import { withStoreAsRoot } from './with-store.js';

/** Under which names and digests other tools can fetch it. */
function repoDigests(names: readonly string[], digests: readonly string[]): string[] {
  const found = names.flatMap((name) => {
    try {
      const { kind, host, repository } = parseRegistryReference(name);
      return digests.map((digest) => `${formatReference({ kind, host, repository })}@${digest}`);
    } catch {
      // A file or a layout that was pulled.
      return [];
    }
  });
  return [...new Set(found)];
}

/** Does a --format print digests of manifests, for which layers may have to be compressed? */
function asksForDigests(format: string): boolean {
  return format === 'json' || /\.RepoDigests|[{ ]\.[ }]/.test(format);
}

/**
 * Fields of docker image inspect, and after them those of wiac: its layer directories.
 * @param withDigests fills RepoDigests
 */
async function describe(
  store: Store,
  image: ImageRecord,
  withDigests: boolean,
): Promise<Record<string, unknown>> {
  const { paths } = store;
  const Id = await imageId(store, image);
  const named: string[] = [];
  const digests: string[] = [];
  for (const other of await getRecords(store, image)) {
    const names = getNames(store, other.id);
    named.push(...names);
    if (withDigests && names.length > 0)
      digests.push(...repoDigests(names, await manifestDigests(store, other)));
  }
  const { os, architecture, variant } = parsePlatform(image.platform);
  const layers: { Id: string; DiffId: string; Path: string; Size: number }[] = [];
  for (const id of image.layers) {
    const Size = findLayer(store, id)?.bytes ?? 0;
    layers.push({
      Id: id,
      DiffId: await layerDiffId(store, id),
      Path: layerFiles(store, id),
      Size,
    });
  }
  const links = layerLinks(paths, [...image.layers].reverse());
  return {
    Id,
    RepoTags: named.toSorted(),
    RepoDigests: [...new Set(digests)],
    Created: new Date(getCreated(image)).toISOString(),
    Architecture: architecture,
    Variant: variant ?? '',
    Os: os,
    Size: layers.reduce((sum, { Size }) => sum + Size, 0),
    Config: image.config,
    RootFS: { Type: 'layers', Layers: layers.map(({ DiffId }) => DiffId) },
    Layers: layers,
    Lowerdirs: formatLowerdirs(withoutRepeats(links)),
  };
}

/** `wiac inspect NAME...`: a JSON array, or a template filled in for each. @throws NotFoundError */
export function inspectCommand(
  names: readonly string[],
  { format }: { readonly format: string },
  setExitCode: SetExitCode,
): Promise<void> {
  const template = isTemplate(format, ['json']);
  // A layer is read for its diffID: all of its files have to be readable.
  return withStoreAsRoot(setExitCode, async (store) => {
    const images: ImageRecord[] = [];
    for (const name of names) images.push(await requireImage(store, name));
    const described: Record<string, unknown>[] = [];
    for (const image of images)
      described.push(await describe(store, image, asksForDigests(format)));
    if (!template) process.stdout.write(`${JSON.stringify(described, null, 2)}\n`);
    else for (const item of described) process.stdout.write(`${fillTemplate(format, item)}\n`);
  });
}

/** Characters of an instruction in the table, as docker history cuts it. */
const WIDTH = 45;

function cut(text: string, trunc: boolean): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return trunc && line.length > WIDTH ? `${line.slice(0, WIDTH - 1)}…` : line;
}

/** `wiac history NAME`: newest first. @throws NotFoundError */
export function historyCommand(
  name: string,
  options: { readonly format: 'table' | 'json'; readonly trunc: boolean },
  setExitCode: SetExitCode,
): Promise<void> {
  return withStoreAsRoot(setExitCode, async (store) => {
    const image = await requireImage(store, name);
    const rows = historyRows(image, image.layers).map(({ layer, ...row }) => ({
      ...row,
      layer: layer ?? null,
      bytes: layer === undefined ? 0 : (findLayer(store, layer)?.bytes ?? 0),
    }));
    if (options.format === 'json') {
      process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
      return;
    }
    const cells = rows.map(({ created, createdBy, bytes, comment }) => [
      formatAge(Date.now() - created),
      cut(createdBy, options.trunc),
      formatBytes(bytes),
      comment,
    ]);
    process.stdout.write(formatTable([['AGE', 'CREATED BY', 'SIZE', 'COMMENT'], ...cells]));
  });
}
