/** A treemap: the area of a file is its size; what is wasted is hatched. */
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { FileNode } from '../report/report-data.js';
import { formatBytes } from '../ui/format.js';
import { layTiles, nameOf, type Tile } from './treemap-tiles.js';

interface Props {
  /** What is shown when nothing was chosen. */
  readonly root: FileNode;
  readonly path: readonly string[];
  readonly onPath: (path: readonly string[]) => void;
}

/** The directory that a path leads to, as far as there is one. */
function nodeAt(root: FileNode, path: readonly string[]): FileNode {
  return path.reduce((node, name) => node.c?.find(({ n }) => n === name) ?? node, root);
}

function wasteClass({ b, w = 0 }: FileNode): string {
  if (w === 0) return '';
  return w >= b * 0.95 ? ' wasted' : ' partly';
}

interface TileProps {
  readonly tile: Tile;
  readonly canOpen: boolean;
  readonly onOpen: () => void;
}

function TileView({ tile, canOpen, onOpen }: TileProps) {
  const { node, x, y, width, height, isFrame, depth } = tile;
  const waste = node.w ? `, ${formatBytes(node.w)} wasted` : '';
  const title = `${nameOf(node)}, ${formatBytes(node.b)}${waste}`;
  const place = { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` };
  const classes = `tile depth-${depth}${isFrame ? ' frame' : ''}${isFrame ? '' : wasteClass(node)}`;
  const content =
    width > 34 && height > 14 ? (
      <>
        <span class="tile-name">{nameOf(node)}</span>
        {width > 90 && (isFrame || height > 30) ? (
          <span class="tile-size">{formatBytes(node.b)}</span>
        ) : null}
      </>
    ) : null;
  return canOpen ? (
    <button
      type="button"
      class={classes}
      style={place}
      title={title}
      aria-label={title}
      onClick={onOpen}
    >
      {content}
    </button>
  ) : (
    <div class={classes} style={place} title={title}>
      {content}
    </div>
  );
}

export function TreemapView({ root, path, onPath }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const size = useSignal({ width: 0, height: 0 });
  useEffect(() => {
    const { current } = box;
    if (!current) return undefined;
    const measure = () => {
      size.value = { width: current.clientWidth, height: current.clientHeight };
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(current);
    return () => observer.disconnect();
  }, []);
  const { width, height } = size.value;
  const tiles = width > 0 ? layTiles(nodeAt(root, path), width, height) : [];
  return (
    <div class="treemap" ref={box}>
      {tiles.map((tile) => {
        const to = [...path, ...tile.path];
        return (
          <TileView
            key={tile.path.join('\n')}
            tile={tile}
            canOpen={(nodeAt(root, to).c?.length ?? 0) > 0}
            onOpen={() => onPath(to)}
          />
        );
      })}
    </div>
  );
}
