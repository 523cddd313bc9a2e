/** The merged layers of a step as a source of files for COPY --from. */
import type { FileSource, WholeDirectory } from '../scan/file-source.js';
import type { Stack } from './stack.js';
import { locate, openMergedView, resolve } from './stack.js';

/**
 * @param title for messages: "stage build"
 * @returns to be closed
 */
export function stackSource(stack: Stack, title: string): FileSource {
  const view = openMergedView(stack);
  const digested = new Map(stack.map((layer) => [layer.path, layer.digested]));
  const wholeOf = (path: string): WholeDirectory | undefined => {
    const [layer, ...more] = view.layersOf(path);
    const entry = more.length === 0 ? layer?.digested?.(path) : undefined;
    return layer && entry?.type === 'dir' ? { root: layer.path, tree: entry.digest } : undefined;
  };
  return {
    title,
    ownership: 'keep',
    changes: false,
    // Looked at only when a step below was rebuilt: fingerprints would cost more than they save.
    fingerprintScope: undefined,
    locate: (path) => locate(stack, path),
    follow: (path) => {
      const resolved = resolve(stack, path);
      return resolved?.entry ? { kind: 'found', path: resolved.path } : { kind: 'missing' };
    },
    list: (path) => {
      const roots = new Map(view.list(path).map(({ name, root }) => [name, root]));
      return { names: [...roots.keys()], rootOf: (name) => roots.get(name) ?? '' };
    },
    known: ({ root, path }) => digested.get(root)?.(path),
    wholeOf,
    plainRoot: (path) => wholeOf(path)?.root,
    withoutWhiteouts: true,
    close: view.close,
  };
}
