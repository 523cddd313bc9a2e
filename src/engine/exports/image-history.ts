/** What people ask of an image: when it was made, by which instructions, what of it is how large. */
import type { HistoryEntry } from '../../oci/image-config.js';
import { HISTORY_COMMENT } from '../../oci/image-config.js';

/** What history and dates are made from. */
export interface DescribedImage {
  /** When the store got it; ms since the epoch. */
  readonly created: number;
  /** SOURCE_DATE_EPOCH of its build, seconds since the epoch. */
  readonly epoch?: number;
  readonly history: readonly HistoryEntry[];
}

/**
 * When an image was made, ms since the epoch. The history of one that was pulled says it; an entry
 * of a build of this store has no time, so that the same build gives the same image.
 */
export function getCreated({ created, epoch, history }: DescribedImage): number {
  if (epoch !== undefined) return epoch * 1000;
  const last = Date.parse(history.at(-1)?.created ?? '');
  return Number.isNaN(last) ? created : last;
}

/** One entry of `wiac history`. */
export interface HistoryRow<Layer> {
  /** ms since the epoch. */
  readonly created: number;
  readonly createdBy: string;
  readonly comment: string;
  /** Undefined for an instruction that made none. */
  readonly layer: Layer | undefined;
}

/**
 * History with its layers, newest first. Layers that no entry speaks of are the lowest ones, as
 * when the image is exported.
 * @param layers bottom first
 */
export function historyRows<Layer>(
  image: DescribedImage,
  layers: readonly Layer[],
): HistoryRow<Layer>[] {
  const { history } = image;
  const made = history.filter((entry) => !entry.empty_layer).length;
  const unnamed = layers.slice(0, Math.max(0, layers.length - made));
  const rest = layers.slice(unnamed.length);
  let next = 0;
  const rows = history.map((entry): HistoryRow<Layer> => {
    const layer = entry.empty_layer ? undefined : rest[next++];
    const created = Date.parse(entry.created ?? '');
    return {
      created: Number.isNaN(created) ? image.created : created,
      createdBy: entry.created_by,
      // An entry of a build gets this comment when it is exported.
      comment: entry.comment ?? (entry.created === undefined ? HISTORY_COMMENT : ''),
      layer,
    };
  });
  const { created } = image;
  const below = unnamed.map((layer) => ({ created, createdBy: '', comment: '', layer }));
  return [...below, ...rows].reverse();
}
