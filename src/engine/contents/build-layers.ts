/** What the layers of a build hold, for people to look at: nothing is fetched, nothing is built. */
import { basename } from 'node:path';
import type { LayerFile } from '../../fs/layer/list-files.js';
import { listLayerFiles } from '../../fs/layer/list-files.js';
import { digestEntry, readBuffer } from '../../fs/read.js';
import { parentPath } from '../../fs/tree-path.js';
import { withWalkers } from '../../fs/walker.js';
import type { DefinitionKey } from '../../keys/digest.js';
import type { StepInputs } from '../../keys/inputs.js';
import { isKeyed, operationInputs } from '../../keys/inputs.js';
import type { Step, StepId } from '../../plan/step.js';
import { findByDefinition } from '../../store/entries/entries.js';
import { findLayer } from '../../store/layers/find-layers.js';
import { getOpaque } from '../../store/layers/layer-marks.js';
import { layerFiles } from '../../store/layers/layer-store.js';
import type { LayerId } from '../../store/records.js';
import type { Store } from '../../store/store.js';

/** What a layer holds. */
export interface LayerContents {
  readonly entries: readonly LayerFile[];
  /** Directories that hide what is below them in lower layers. */
  readonly opaque: readonly string[];
  /** Digests of files that have the size of another one, by path; of others nobody asked. */
  readonly digests: ReadonlyMap<string, string>;
}

/** The layers of one platform's build. */
export interface BuildLayers {
  readonly contents: ReadonlyMap<LayerId, LayerContents>;
  /** What a step made. */
  readonly made: ReadonlyMap<StepId, LayerId>;
  /** What went into the key of a step; of one that failed what its instruction says. */
  readonly inputs: Inputs;
  /** Layers of the result, bottom first; empty when there is none. */
  readonly result: readonly LayerId[];
  /** Files of the same size that nobody compared. */
  readonly uncompared: number;
}

/** Two of a smaller size are not worth a word. */
const LEAST_BYTES = 4096;
/** What is read to find files that are there twice. */
const MOST_BYTES = 512 << 20;

interface Place {
  readonly layer: LayerId;
  readonly file: LayerFile;
}

/** A file with several names in a layer is there once: the other names have no bytes. */
function countedOnce(files: readonly LayerFile[]): LayerFile[] {
  const seen = new Set<number>();
  return files.map((file) => {
    if (file.inode === undefined) return file;
    const isOther = seen.has(file.inode);
    seen.add(file.inode);
    return isOther ? { ...file, size: 0 } : file;
  });
}

/** Files whose size another one has, the largest first. */
function ofEqualSize(contents: ReadonlyMap<LayerId, readonly LayerFile[]>): Place[] {
  const bySize = new Map<number, Place[]>();
  for (const [layer, files] of contents)
    for (const file of files) {
      if (!file.mode.startsWith('f') || file.size < LEAST_BYTES) continue;
      const others = bySize.get(file.size);
      if (others) others.push({ layer, file });
      else bySize.set(file.size, [{ layer, file }]);
    }
  return [...bySize.values()]
    .filter(({ length }) => length > 1)
    .flat()
    .sort((a, b) => b.file.size - a.file.size);
}

/** Reads files of equal size, as long as that does not take long. @returns those that are left */
function digestEqualSizes(
  store: Store,
  contents: ReadonlyMap<LayerId, readonly LayerFile[]>,
  note: (layer: LayerId, path: string, digest: string) => void,
): number {
  const buffer = readBuffer();
  let left = MOST_BYTES;
  let uncompared = 0;
  withWalkers((walkers) => {
    for (const { layer, file } of ofEqualSize(contents)) {
      if (file.size > left) {
        uncompared += 1;
        continue;
      }
      left -= file.size;
      const directory = walkers.at(layerFiles(store, layer), parentPath(file.path));
      const content = digestEntry(directory, basename(file.path), buffer);
      if (content) note(layer, file.path, content.digest);
    }
  });
  return uncompared;
}

/** What went into the keys of steps. */
type Inputs = ReadonlyMap<StepId, Pick<StepInputs, 'operands' | 'files'>>;

/** What the instructions of a plan say: all that is known of a step that failed or was not reached. */
export function statedInputs(steps: readonly Step[]): Inputs {
  return new Map(
    steps.filter(isKeyed).map((step) => [step.id, { ...operationInputs(step), files: [] }]),
  );
}

/** What the entries of steps say, as far as they are there. */
function readEntries(store: Store, keys: ReadonlyMap<StepId, DefinitionKey>, stated: Inputs) {
  const made = new Map<StepId, LayerId>();
  const inputs = new Map(stated);
  for (const [id, key] of keys) {
    const record = findByDefinition(store, key);
    if (!record) continue;
    if (record.layer !== undefined) made.set(id, record.layer);
    inputs.set(id, record.inputs);
  }
  return { made, inputs };
}

/**
 * @param keys of the steps that were found or carried out
 * @param stated what is known of steps that have no entry
 * @param result the layers of the result, bottom first; empty when there is none
 */
export async function buildLayers(
  store: Store,
  keys: ReadonlyMap<StepId, DefinitionKey>,
  stated: Inputs,
  result: readonly LayerId[],
): Promise<BuildLayers> {
  const { made, inputs } = readEntries(store, keys, stated);
  const here = [...new Set([...result, ...made.values()])].filter((id) => findLayer(store, id));
  const files = new Map(here.map((id) => [id, countedOnce(listLayerFiles(layerFiles(store, id)))]));
  const digests = new Map(here.map((id) => [id, new Map<string, string>()]));
  const ofResult = new Map([...files].filter(([id]) => result.includes(id)));
  const uncompared = digestEqualSizes(store, ofResult, (layer, path, digest) =>
    digests.get(layer)?.set(path, digest),
  );
  const contents = new Map<LayerId, LayerContents>();
  for (const [id, entries] of files) {
    const opaque = await getOpaque(store, id);
    contents.set(id, { entries, opaque, digests: digests.get(id) ?? new Map() });
  }
  return { contents, made, inputs, result, uncompared };
}
