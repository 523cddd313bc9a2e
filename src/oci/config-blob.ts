/** The config of a build result as a blob: its digest is the image's id (image-spec, config.md). */

import type { ContainerConfig, HistoryEntry } from './image-config.js';
import { HISTORY_COMMENT } from './image-config.js';
import { parsePlatform } from './platform.js';
import type { ImageHistoryEntry } from './resolved-image.js';

/** Member of an image's config that holds its cache (--cache-to type=inline). */
export const INLINE_MEMBER = 'dev.wiac.cache.v1';

/** What a config says of an image beside its layers. */
export interface ConfigContent {
  readonly platform: string;
  readonly config: ContainerConfig;
  readonly history: readonly HistoryEntry[];
  readonly author?: string;
  readonly cache?: unknown;
}

/** What a config says of a layer. */
export interface ConfigLayer {
  readonly diffId: string;
  /** Newest time of a file in it, seconds since the epoch. */
  readonly newest?: number | undefined;
}

/** 9999-12-31T23:59:59Z. RFC 3339, which a config's times follow, has years of four digits; files have times beyond. */
const LAST_SECOND = 253_402_300_799;

/** How many layers, from the top, no base image has: its history says when they were made. */
export function countOwnLayers({ history }: Pick<ConfigContent, 'history'>): number {
  return history.filter(({ created, empty_layer }) => created === undefined && !empty_layer).length;
}

/**
 * When the image was created: SOURCE_DATE_EPOCH, else the newest time of a file in the layers of
 * this build, so that the same files give the same image, wherever the layers came from; never
 * before its base image.
 */
function createdAt(
  image: ConfigContent,
  layers: readonly ConfigLayer[],
  epoch: number | undefined,
): string {
  const iso = (seconds: number) => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
  if (epoch !== undefined) return iso(epoch);
  // Without a history it is unknown which layers those are.
  const count = image.history.length === 0 ? layers.length : countOwnLayers(image);
  const own = layers.slice(Math.max(0, layers.length - count));
  const files = own.map(({ newest }) => newest ?? 0);
  const base = image.history.map(({ created = '' }) => Date.parse(created) / 1000 || 0);
  return iso(Math.min(LAST_SECOND, Math.floor(Math.max(0, ...files, ...base))));
}

/**
 * Each layer has one entry that is not empty; layers no instruction speaks of get one as well. An image
 * may also have none at all (image-spec, config.md).
 */
function getHistory(
  { history }: ConfigContent,
  layers: readonly ConfigLayer[],
  created: string,
): ImageHistoryEntry[] {
  if (history.length === 0) return [];
  const entries = history.map(({ empty_layer, ...entry }): ImageHistoryEntry => {
    const { created_by, author, comment } = entry;
    return {
      created: entry.created ?? created,
      created_by,
      ...(author === undefined ? {} : { author }),
      ...(comment === undefined ? {} : { comment }),
      ...(empty_layer ? { empty_layer } : {}),
    };
  });
  const missing = layers.length - entries.filter((entry) => !entry.empty_layer).length;
  const unnamed = { created, created_by: 'build context', comment: HISTORY_COMMENT };
  return [...Array.from({ length: Math.max(0, missing) }, () => unnamed), ...entries];
}

/**
 * The bytes of the config.
 * @param layers bottom first
 * @param epoch time of everything that has none of its own, seconds since 1970
 */
export function configBytes(
  image: ConfigContent,
  layers: readonly ConfigLayer[],
  epoch: number | undefined,
): Buffer {
  const created = createdAt(image, layers, epoch);
  const history = getHistory(image, layers, created);
  const content = {
    created,
    ...(image.author === undefined ? {} : { author: image.author }),
    ...parsePlatform(image.platform),
    config: image.config,
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    ...(history.length === 0 && layers.length > 0 ? {} : { history }),
    ...(image.cache === undefined ? {} : { [INLINE_MEMBER]: image.cache }),
  };
  return Buffer.from(JSON.stringify(content));
}
