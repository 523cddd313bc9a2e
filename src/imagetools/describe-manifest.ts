/** What `wiac imagetools inspect` shows, in the form of buildx. */

import { isIndex } from '../oci/parse-manifest.js';
import { formatPlatform } from '../oci/platform.js';
import type { Descriptor, ImageIndex, ImageManifest } from '../oci/resolved-image.js';

/** A manifest or an index with the name it was asked for by. */
export interface Named {
  readonly name: string;
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest | ImageIndex;
}

/** Lines of a name and a value, the values below each other. */
function block(pairs: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...pairs.map(([name]) => name.length)) + 1;
  return pairs.map(([name, value]) => `${name.padEnd(width)}${value}`.trimEnd());
}

function annotationLines(annotations: Readonly<Record<string, string>> = {}): string[] {
  const pairs = Object.entries(annotations).sort(([a], [b]) => (a < b ? -1 : 1));
  if (pairs.length === 0) return [];
  return block(pairs.map(([key, value]) => [`${key}:`, value])).map((line) => `  ${line}`);
}

function withAnnotations(
  pairs: readonly (readonly [string, string])[],
  annotations: Readonly<Record<string, string>> | undefined,
): string[] {
  const more = annotationLines(annotations);
  return [...block(more.length > 0 ? [...pairs, ['Annotations:', '']] : pairs), ...more];
}

/** The name without its tag: what a digest goes behind is the name with it, as buildx has it. */
function childName(name: string, { digest }: Descriptor): string {
  return `${name.replace(/@.*$/, '')}@${digest}`;
}

/** The text of the command without --format. */
export function describeManifest({ name, descriptor, manifest }: Named): string {
  const head = withAnnotations(
    [
      ['Name:', name],
      ['MediaType:', descriptor.mediaType],
      ['Digest:', descriptor.digest],
    ],
    manifest.annotations,
  );
  if (!isIndex(manifest)) return `${head.join('\n')}\n`;
  const children = manifest.manifests.map((child) => {
    const lines = withAnnotations(
      [
        ['Name:', childName(name, child)],
        ['MediaType:', child.mediaType],
        ...(child.platform ? ([['Platform:', formatPlatform(child.platform)]] as const) : []),
      ],
      child.annotations,
    );
    return lines.map((line) => `  ${line}\n`).join('');
  });
  return `${head.join('\n')}\n\nManifests:\n${children.join('\n')}`;
}

/** `.Manifest` of a template: the descriptor with what it names. */
export function manifestFields({ descriptor, manifest }: Named): Record<string, unknown> {
  const { mediaType, digest, size } = descriptor;
  const { schemaVersion, mediaType: _, ...rest } = manifest;
  return { schemaVersion, mediaType, digest, size, ...rest };
}
