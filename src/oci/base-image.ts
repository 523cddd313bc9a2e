/** What a plan has to know of an image that a stage is based on: everything but its layers. */

import type { ContainerConfig, HistoryEntry } from './image-config.js';
import { defaultPath } from './image-config.js';
import type { ImageConfig } from './resolved-image.js';

/** Manifest digest, config and history of a base image. */
export interface BaseImage {
  /** Reference as the Dockerfile has it, after expansion. */
  readonly reference: string;
  /** Digest of the manifest for the platform that is built for. */
  readonly digest: string;
  readonly config: ContainerConfig;
  readonly history: readonly HistoryEntry[];
  /** The author of the image; undefined when its config has none. */
  readonly author?: string | undefined;
}

function getHistory({ history, rootfs }: ImageConfig): HistoryEntry[] {
  if (history) {
    return history.map((entry) => ({
      ...entry,
      created_by: entry.created_by ?? '',
      empty_layer: entry.empty_layer ?? false,
    }));
  }
  return rootfs.diff_ids.map(() => ({ created_by: '', empty_layer: false }));
}

/** The defaults are those BuildKit gives to an image whose config says nothing. */
export function baseImage(
  reference: string,
  image: { readonly config: ImageConfig; readonly manifestDescriptor: { readonly digest: string } },
): BaseImage {
  const { config = {} } = image.config;
  const env = config.Env ?? [];
  const hasPath = env.some((item) => item.startsWith('PATH='));
  return {
    reference,
    digest: image.manifestDescriptor.digest,
    config: {
      ...config,
      Env: hasPath ? env : [`PATH=${defaultPath(image.config.os)}`, ...env],
      WorkingDir: config.WorkingDir || '/',
    },
    history: getHistory(image.config),
    author: image.config.author,
  };
}
