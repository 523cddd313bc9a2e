/** What --metadata-file says: buildx's members, and wiac's own behind `wiac.`. */

import type { PlatformResult } from '../engine/build-dockerfile.js';
import type { Exported } from '../engine/exports/export-image.js';
import { formatReference, parseRegistryReference } from '../oci/reference.js';
import type { VertexWarning } from '../ui/rawjson.js';
import { lintWarnings, plainWarning } from '../ui/rawjson.js';
import { UsageError } from '../util/errors.js';

function getSteps({ plan, result }: PlatformResult) {
  return plan.steps.map(({ id, kind, stage, text }) => {
    const state = result.states.get(id);
    const hasKey = kind !== 'meta' && kind !== 'source';
    return { id, stage, text, key: (hasKey && state?.key) || null };
  });
}

/** What the environment wants the file to have. */
export interface MetadataWishes {
  readonly provenance: 'min' | 'max' | undefined;
  readonly warnings: boolean;
}

/** A boolean of the environment, as Go reads them. @throws UsageError */
function getBoolean(name: string, value: string): boolean {
  if (/^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)?$/i.test(value)) return false;
  throw new UsageError(`${name}=${value} is neither true nor false`);
}

/**
 * BUILDX_METADATA_PROVENANCE (min, as when it is not set, max, disabled) and
 * BUILDX_METADATA_WARNINGS.
 * @throws UsageError
 */
export function metadataWishes(env: NodeJS.ProcessEnv): MetadataWishes {
  const name = 'BUILDX_METADATA_PROVENANCE';
  const mode = env[name]?.toLowerCase() || 'min';
  const warnings = getBoolean('BUILDX_METADATA_WARNINGS', env.BUILDX_METADATA_WARNINGS ?? '');
  if (mode === 'min' || mode === 'max') return { provenance: mode, warnings };
  const wanted = mode !== 'disabled' && getBoolean(name, mode);
  return { provenance: wanted ? 'min' : undefined, warnings };
}

/** The steps' warnings in BuildKit's form. */
function getWarnings(results: readonly PlatformResult[]): readonly VertexWarning[] {
  const messages = new Set(results.flatMap(({ plan }) => plan.warnings));
  const plain = [...messages].flatMap((message) => plainWarning(message).warnings ?? []);
  return [...plain, ...results.flatMap(({ lint }) => lintWarnings(lint?.warnings ?? []))];
}

/**
 * The content of the file.
 * @param exported undefined when no output was an image
 * @param wanted what there is beside digests; provenance makes that of a platform
 */
export function buildMetadata(
  results: readonly PlatformResult[],
  names: readonly string[],
  exported: Exported | undefined,
  wanted: {
    readonly provenance?: (built: PlatformResult) => unknown;
    readonly warnings: boolean;
  },
): Record<string, unknown> {
  const metadata: Record<string, unknown> = {};
  // As BuildKit: what there is once for each platform has its name behind a slash.
  const suffix = (platform: string) => (results.length === 1 ? '' : `/${platform}`);
  if (wanted.provenance)
    for (const built of results)
      metadata[`buildx.build.provenance${suffix(built.plan.platform)}`] = wanted.provenance(built);
  if (wanted.warnings) metadata['buildx.build.warnings'] = getWarnings(results);
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
    metadata[`wiac.steps${suffix(item.plan.platform)}`] = getSteps(item);
  }
  return metadata;
}
