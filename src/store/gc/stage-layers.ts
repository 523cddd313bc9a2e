/**
 * Layers of stages that results only copy from. A result that is found needs none of them: they are missed
 * only when the step that copies from them has to run again. Pure.
 */
import type { LayerId, StepRecord } from '../records.js';

type Entry = Pick<StepRecord, 'base' | 'layer' | 'readLayers'>;

function layersOf({ base, layer }: Entry): readonly LayerId[] {
  return layer === undefined ? base : [...base, layer];
}

/**
 * The layers that no result has: those of steps that others read from, unless what nothing reads from
 * and nothing stands on has them as well.
 * @param images layers of images
 */
export function stageLayers(
  entries: readonly Entry[],
  images: Iterable<LayerId>,
): ReadonlySet<LayerId> {
  const read = new Set(entries.flatMap(({ readLayers }) => readLayers.flat()));
  const readTops = new Set(
    entries.flatMap(({ readLayers }) => readLayers.map((all) => all.at(-1))),
  );
  const below = new Set(entries.map(({ base }) => base.at(-1)));
  const results = entries.filter((entry) => {
    const top = layersOf(entry).at(-1);
    return top !== undefined && !readTops.has(top) && !below.has(top);
  });
  const needed = new Set([...results.flatMap(layersOf), ...images]);
  return new Set([...read].filter((id) => !needed.has(id)));
}
