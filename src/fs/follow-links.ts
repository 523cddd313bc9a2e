/**
 * Symbolic links, followed one component at a time. The caller says what is at each of them: the kernel, which
 * would look outside of a layer or context, is never asked to.
 */

import { parentPath, pathBelow } from './tree-path.js';

/** As many as the kernel follows in one path before it gives ELOOP. */
const MAX_SYMLINKS = 40;

/** What is at a name: a place to go on from, or a link. */
export type Component<P> = { readonly place: P } | { readonly link: string };

/** A tree that paths lead through. */
export interface LinkedTree<P> {
  readonly top: P;
  /** What a place has at a name; undefined: nothing, and the walk ends. */
  enter(place: P, name: string): Component<P> | undefined;
  /** The place above; undefined for the top. */
  above(place: P): P | undefined;
  /**
   * What is outside of the tree: nothing for a process whose root it is, for which `/` is the top and
   * `..` stops there; or something else, which a path must not lead to.
   */
  readonly outside: 'nothing' | 'forbidden';
}

/** Where a path leads. */
export type Reached<P> =
  | { readonly kind: 'found'; readonly place: P }
  | { readonly kind: 'missing' }
  | { readonly kind: 'outside' }
  /** Too many links; the last one of them is at this name. */
  | { readonly kind: 'loop'; readonly place: P; readonly name: string };

/** Follows a path from the top of a tree. @param parts its components; empty ones and `.` are skipped */
export function followLinks<P>(tree: LinkedTree<P>, parts: readonly string[]): Reached<P> {
  const isConfined = tree.outside === 'nothing';
  let place = tree.top;
  let followed = 0;
  // The next component is the last.
  const todo = [...parts].reverse();
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      const above = tree.above(place);
      if (above === undefined && !isConfined) return { kind: 'outside' };
      place = above ?? place;
      continue;
    }
    const found = tree.enter(place, name);
    if (found === undefined) return { kind: 'missing' };
    if ('place' in found) {
      place = found.place;
      continue;
    }
    followed += 1;
    if (followed > MAX_SYMLINKS) return { kind: 'loop', place, name };
    if (found.link.startsWith('/')) {
      if (!isConfined) return { kind: 'outside' };
      place = tree.top;
    }
    todo.push(...found.link.split('/').reverse());
  }
  return { kind: 'found', place };
}

/** A tree whose places are paths without symbolic links, '' is the top. */
export function pathTree(
  outside: LinkedTree<string>['outside'],
  enter: (path: string) => Component<string> | undefined,
): LinkedTree<string> {
  return {
    top: '',
    outside,
    enter: (place, name) => enter(pathBelow(place, name)),
    above: (place) => (place === '' ? undefined : parentPath(place)),
  };
}
