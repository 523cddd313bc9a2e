/** The merged layers of a step as a source of files for COPY --from. */
import type { FileSource } from '../context/source.js';
import type { Stack } from './stack.js';
import { listDirectory, locate, resolve } from './stack.js';

/** @param title for messages: "stage build" */
export function stackSource(stack: Stack, title: string): FileSource {
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
      const roots = new Map(listDirectory(stack, path).map(({ name, root }) => [name, root]));
      return { names: [...roots.keys()], rootOf: (name) => roots.get(name) ?? '' };
    },
    close: () => {},
  };
}
