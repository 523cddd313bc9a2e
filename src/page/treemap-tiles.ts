/** Rectangles for a directory and what is in it. Pure. */
import { hierarchy, treemap } from 'd3-hierarchy';
import type { FileNode } from '../report/report-data.js';
import { plural } from './wording.js';

export interface Tile {
  readonly node: FileNode;
  /** Names from the directory that is shown down to it. */
  readonly path: readonly string[];
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Others lie in it. */
  readonly isFrame: boolean;
  readonly depth: number;
}

/** Levels that are shown at once. */
const DEPTH = 4;
const HEAD = 18;
/** Smaller ones can't be seen. */
const LEAST = 3;

export const nameOf = ({ n, m }: FileNode) => (m === undefined ? n : plural(m, 'small file'));

/** The node as far down as it is shown. */
function upTo(node: FileNode, depth: number): FileNode {
  const { c, ...rest } = node;
  if (depth === 0 || !c) return rest;
  return { ...rest, c: c.map((child) => upTo(child, depth - 1)) };
}

/** @param width @param height of the place for it, in pixels */
export function layTiles(root: FileNode, width: number, height: number): Tile[] {
  const tree = hierarchy(upTo(root, DEPTH), ({ c }) => c ?? []).sum(({ b, c }) =>
    c === undefined || c.length === 0 ? b : 0,
  );
  const laid = treemap<FileNode>()
    .size([width, height])
    .round(true)
    .paddingInner(1)
    .paddingTop(({ depth, children, x0, x1, y0, y1 }) =>
      depth > 0 && children && x1 - x0 > 50 && y1 - y0 > 36 ? HEAD : 0,
    )(tree);
  return laid
    .descendants()
    .filter(({ depth, x0, x1, y0, y1 }) => depth > 0 && x1 - x0 >= LEAST && y1 - y0 >= LEAST)
    .map(({ data, depth, children, x0, x1, y0, y1, ...rest }) => ({
      node: data,
      path: pathOf({ data, ...rest }),
      x: x0,
      y: y0,
      width: x1 - x0,
      height: y1 - y0,
      isFrame: children !== undefined && x1 - x0 > 50 && y1 - y0 > 36,
      depth,
    }));
}

interface Placed {
  readonly data: FileNode;
  readonly parent: Placed | null;
}

function pathOf({ data, parent }: Placed): string[] {
  return parent === null ? [] : [...pathOf(parent), data.n];
}
