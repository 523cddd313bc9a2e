/** The layers of a build's result, with their files and what is wasted. Pure. */

import type { BuildLayers, LayerContents } from '../engine/contents/build-layers.js';
import type { StepId } from '../plan/step.js';
import type { LayerId } from '../store/records.js';
import { shown } from './collect-events.js';
import { mapFiles } from './file-map.js';
import { findWaste } from './layer-waste.js';
import type { ReportLayers, ShownEntry, Waste } from './report-data.js';

/** Rectangles of a treemap that are smaller than one in so many can't be seen. */
const FINENESS = 1500;
const MAX_WASTE = 300;
const MAX_ENTRIES = 12_000;
const MIN_ENTRIES = 20;
const MAX_ENTRIES_OF_STEP = 200;

const show = (text: string) => shown(text.replaceAll('\n', '\\n'));

function wasteByLayer(waste: readonly Waste[]): ReadonlyMap<number, ReadonlyMap<string, number>> {
  const layers = new Map<number, Map<string, number>>();
  for (const { layer, path, bytes } of waste) {
    const paths = layers.get(layer) ?? new Map<string, number>();
    layers.set(layer, paths.set(path, bytes));
  }
  return layers;
}

const sum = (of: readonly { readonly bytes: number }[]) =>
  of.reduce((total, { bytes }) => total + bytes, 0);

/** @returns undefined when nothing is known of the result's layers */
export function reportLayers(
  { contents, made, result, uncompared }: BuildLayers,
  title: (step: StepId) => string,
): ReportLayers | undefined {
  const known = result.flatMap((id): [LayerId, LayerContents][] => {
    const files = contents.get(id);
    return files ? [[id, files]] : [];
  });
  if (known.length === 0 || known.length < result.length) return undefined;
  const makers = new Map([...made].map(([step, id]) => [id, step]));
  const waste = findWaste(known.map(([, files]) => files));
  const wasted = wasteByLayer(waste);
  const sizes = known.map(([, { entries }]) =>
    entries.reduce((total, { size }) => total + size, 0),
  );
  const bytes = sizes.reduce((total, size) => total + size, 0);
  const of = (kind: Waste['kind']) => sum(waste.filter((each) => each.kind === kind));
  return {
    layers: known.map(([id, { entries }], index) => {
      const step = makers.get(id);
      const paths = wasted.get(index) ?? new Map<string, number>();
      return {
        ...(step === undefined ? {} : { step }),
        title: step === undefined ? 'base image' : title(step),
        files: entries.filter(({ mode }) => mode.startsWith('f')).length,
        bytes: sizes[index] ?? 0,
        wasted: [...paths.values()].reduce((total, each) => total + each, 0),
        tree: mapFiles(entries, paths, bytes / FINENESS, show),
      };
    }),
    bytes,
    wasted: { overwritten: of('overwritten'), deleted: of('deleted'), twice: of('twice') },
    waste: waste.slice(0, MAX_WASTE).map(({ path, other, ...rest }) => ({
      ...rest,
      path: show(path),
      ...(other === undefined ? {} : { other: show(other) }),
    })),
    wasteCount: waste.length,
    uncompared,
  };
}

/** The largest entries of a layer, and some of what it deletes. @param steps so many share the room */
export function shownEntries({ entries }: LayerContents, steps: number): ShownEntry[] {
  const share = Math.floor(MAX_ENTRIES / Math.max(1, steps));
  const most = Math.min(MAX_ENTRIES_OF_STEP, Math.max(MIN_ENTRIES, share));
  const deleted = entries.filter(({ mode }) => mode === 'w').slice(0, most / 4);
  const others = entries.filter(({ mode }) => mode !== 'w' && !mode.startsWith('d'));
  const directories = entries.filter(({ mode }) => mode.startsWith('d'));
  const largest = [...others].sort((a, b) => b.size - a.size);
  return [...largest, ...directories]
    .slice(0, most - deleted.length)
    .concat(deleted)
    .map(({ path, mode, size }) => ({ path: show(path), mode, bytes: size }));
}
