/** `wiac cache find`: which layers hold a file, in which version. */

import type { TreeEntry } from '../fs/scan/tree.js';
import { walkTree } from '../fs/scan/tree.js';
import { compilePattern } from '../fs/select/gomatch.js';
import { findByDefinition, treeReader } from '../store/entries/entries.js';
import { allLayers } from '../store/layers/find-layers.js';
import { layerTree } from '../store/layers/layer-tree.js';
import type { LayerRecord } from '../store/records.js';
import { formatTable } from '../ui/format.js';
import { NotFoundError, UsageError } from '../util/errors.js';
import { withScanStore, withStore } from './with-store.js';

interface Found {
  readonly layer: LayerRecord;
  readonly path: string;
  readonly entry: TreeEntry;
}

/** A path in the image, with wildcards as COPY has them, or the digest of a file's content. */
function getMatcher(wanted: string): (path: string, entry: TreeEntry) => boolean {
  const digest = wanted.replace(/^sha256:/, '');
  if (/^[0-9a-f]{12,64}$/.test(digest)) {
    return (_, entry) => entry.type === 'file' && entry.digest.startsWith(digest);
  }
  const pattern = compilePattern(wanted.replace(/^\/+|\/+$/g, ''));
  if (!pattern.ok) throw new UsageError(`${wanted} is not a pattern: ${pattern.reason}`);
  return (path) => pattern.matches(path);
}

function row(
  { layer, path, entry }: Found,
  instruction: string,
): Readonly<Record<string, string | number | null>> {
  const { uid, gid } = entry;
  return {
    layer: layer.id,
    key: layer.key ?? null,
    instruction,
    path: `/${path}`,
    // An overlay's whiteout: the layer hides the file of the layers below.
    type: entry.type === 'char' && entry.device === 0 ? 'whiteout' : entry.type,
    mode: entry.mode.toString(8).padStart(4, '0'),
    uid,
    gid,
    size: entry.type === 'file' ? entry.size : 0,
    digest: entry.type === 'file' ? `sha256:${entry.digest}` : null,
    target: entry.type === 'symlink' ? entry.target : null,
  };
}

/** Prints where the file is. @throws NotFoundError when no layer holds it, UsageError */
export function findCommand(
  wanted: string,
  options: { readonly format: 'table' | 'json' },
): Promise<void> {
  const matches = getMatcher(wanted);
  return withStore((store) =>
    withScanStore(store, async (scanStore) => {
      const found: Found[] = [];
      for (const layer of [...allLayers(store)]) {
        const tree = await layerTree(store, layer, scanStore);
        for (const { path, entry } of walkTree(treeReader(scanStore.readTree), tree))
          if (matches(path, entry)) found.push({ layer, path, entry });
      }
      if (found.length === 0) {
        throw new NotFoundError(`no layer holds ${wanted}`, {
          hint: 'give the path in the image, which may have wildcards, or a digest',
        });
      }
      const rows = found.map((item) => {
        const { key } = item.layer;
        const text = key === undefined ? undefined : findByDefinition(store, key)?.inputs.text;
        return row(item, text ?? (key === undefined ? 'layer of an image' : 'removed entry'));
      });
      if (options.format === 'json') {
        process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
        return;
      }
      const head = ['LAYER', 'MODE', 'SIZE', 'DIGEST', 'PATH', 'INSTRUCTION'];
      const cells = rows.map(({ layer, mode, size, digest, type, path, instruction }) => [
        String(layer),
        String(mode),
        String(size),
        digest === null ? String(type) : String(digest).slice('sha256:'.length).slice(0, 12),
        String(path),
        String(instruction).replaceAll('\n', ' '),
      ]);
      process.stdout.write(formatTable([head, ...cells]));
    }),
  );
}
