/** Paths that are longer than the kernel takes at once. */
import type { ByteString } from '../util/byte-string.js';
import { fsPath } from '../util/byte-string.js';
import type { Directory } from './directory.js';
import { closeDirectory, openRoot } from './directory.js';

/** Bytes that are handed to the kernel at once; PATH_MAX is 4096 with its NUL. */
const MOST = 4000;

/**
 * Calls a function with a path that means the same file and is short enough.
 * @param path of a layer's file, as bytes. Layers never change, and the caller knows each directory
 *   on the way to be one: no link is followed because there is none
 * @throws what the function throws, and the errors of opening directories on the way
 */
export function withShortPath<T>(path: ByteString, use: (path: string | Buffer) => T): T {
  if (path.length <= MOST) return use(fsPath(path));
  let rest = path;
  let open: Directory | undefined;
  try {
    while (rest.length > MOST) {
      const cut = rest.lastIndexOf('/', MOST);
      const start = open === undefined ? '' : `${open.path}/`;
      const next = openRoot(fsPath(start + rest.slice(0, cut)));
      if (open) closeDirectory(open);
      open = next;
      rest = rest.slice(cut + 1);
    }
    return use(fsPath(open === undefined ? rest : `${open.path}/${rest}`));
  } finally {
    if (open) closeDirectory(open);
  }
}
