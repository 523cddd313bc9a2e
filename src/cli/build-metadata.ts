/** What --metadata-file says: buildx's members, and wiac's own behind `wiac.`. */
import type { Exported } from '../engine/exports/export-image.js';
import { formatReference, parseRegistryReference } from '../oci/reference.js';
import type { PlatformResult } from './build-outputs.js';

function stepsOf({ plan, result }: PlatformResult) {
  return plan.steps.map(({ id, kind, stage, text }) => {
    const state = result.states.get(id);
    const hasKey = kind !== 'meta' && kind !== 'source';
    return { id, stage, text, key: (hasKey && state?.key) || null };
  });
}

/**
 * The content of the file.
 * @param exported undefined when no output was an image
 */
export function buildMetadata(
  results: readonly PlatformResult[],
  names: readonly string[],
  exported: Exported | undefined,
): Record<string, unknown> {
  const metadata: Record<string, unknown> = {};
  // As BuildKit: what there is once for each platform has its name behind a slash.
  const suffix = (platform: string) => (results.length === 1 ? '' : `/${platform}`);
  if (exported) {
    const { root, manifests, configs } = exported;
    const [only] = manifests;
    for (const [at, { plan }] of results.entries())
      metadata[`containerimage.config.digest${suffix(plan.platform)}`] = configs[at]?.digest;
    metadata['containerimage.descriptor'] = root.digest === only?.digest ? only : root;
    metadata['containerimage.digest'] = root.digest;
  }
  if (names.length > 0) {
    const full = names.map((name) => formatReference(parseRegistryReference(name)));
    metadata['image.name'] = full.join(',');
  }
  for (const item of results) {
    metadata[`wiac.lowerdir${suffix(item.plan.platform)}`] = item.result.lowerdirs;
    metadata[`wiac.steps${suffix(item.plan.platform)}`] = stepsOf(item);
  }
  return metadata;
}
