/**
 * What a directory shows that several layers have a part of: the rules of overlayfs (kernel
 * documentation, filesystems/overlayfs: "whiteouts and opaque directories", "Merged directories").
 */

/** What a layer has at a name, as far as merging goes. */
export type LayerKind = 'directory' | 'whiteout' | 'other';

/** A name of the merged directory. */
export interface Merged<Layer, File> {
  /** What the topmost layer has that has anything. */
  readonly file: File;
  readonly kind: LayerKind;
  /** The topmost layer that has it; of a directory all that its content comes from. */
  readonly layers: readonly Layer[];
}

/** How layers are read. */
export interface LayerReader<Layer, File> {
  /** What a layer has in the directory, by its name. */
  readonly list: (layer: Layer) => Iterable<readonly [name: string, file: File]>;
  /** Asked only where it makes a difference. */
  readonly getKind: (layer: Layer, name: string, file: File) => LayerKind;
  /** Does the layer hide what those below it have in this directory of its own? */
  readonly isOpaque: (layer: Layer, name: string) => boolean;
}

/**
 * Merges a directory.
 * @param layers those that have it, topmost first
 * @returns its names; those that are whiteouts are not there for anybody who looks
 */
export function mergeDirectory<Layer, File>(
  layers: readonly Layer[],
  { list, getKind, isOpaque }: LayerReader<Layer, File>,
): ReadonlyMap<string, Merged<Layer, File>> {
  interface Growing extends Merged<Layer, File> {
    readonly layers: Layer[];
    /** Layers further down add to it. */
    isOpen: boolean;
  }
  const found = new Map<string, Growing>();
  for (const layer of layers) {
    for (const [name, file] of list(layer)) {
      const upper = found.get(name);
      if (upper !== undefined && !upper.isOpen) continue;
      const kind = getKind(layer, name, file);
      const isDirectory = kind === 'directory';
      const isOpen = isDirectory && !isOpaque(layer, name);
      if (upper === undefined) found.set(name, { file, kind, layers: [layer], isOpen });
      else {
        if (isDirectory) upper.layers.push(layer);
        upper.isOpen = isOpen;
      }
    }
  }
  return found;
}
