/** Where the steps and their arrows are drawn. Pure. */
import { Graph, layout } from '@dagrejs/dagre';
import type { ReportStep } from '../report/report-data.js';

export interface Place {
  readonly step: ReportStep;
  /** Of its middle. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Arrow {
  readonly from: string;
  readonly to: string;
  /** It reads files of the other, and does not continue it. */
  readonly reads: boolean;
  /** Of an SVG path. */
  readonly path: string;
}

export interface Drawing {
  readonly places: ReadonlyMap<string, Place>;
  readonly arrows: readonly Arrow[];
  readonly width: number;
  readonly height: number;
}

const WIDTH = 256;
const HEIGHT = 43;
/** Of a step that makes no layer. */
const LOW = 23;

interface Point {
  readonly x: number;
  readonly y: number;
}

const at = ({ x, y }: Point) => `${Math.round(x * 10) / 10} ${Math.round(y * 10) / 10}`;

/** Round corners: each inner point is what a curve is drawn towards. */
function curve(points: readonly Point[]): string {
  const [first, ...rest] = points;
  const last = rest.pop();
  if (!first || !last) return '';
  const middles = rest.map((point, index) => {
    const next = rest[index + 1] ?? last;
    return { x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 };
  });
  const curves = rest.map((point, index) => {
    const isLast = index === rest.length - 1;
    return `Q${at(point)} ${at(isLast ? last : (middles[index] ?? last))}`;
  });
  return `M${at(first)}${curves.join('')}${curves.length === 0 ? `L${at(last)}` : ''}`;
}

/** Lays steps out from top to bottom. */
export function drawGraph(steps: readonly ReportStep[]): Drawing {
  const graph = new Graph();
  graph.setGraph({
    rankdir: 'TB',
    // The mean of all four ways of aligning, which is usual, bends stages.
    align: 'UR',
    nodesep: 22,
    ranksep: 16,
    edgesep: 14,
    marginx: 20,
    marginy: 16,
  });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id, status } of steps)
    graph.setNode(id, { width: WIDTH, height: status === 'none' ? LOW : HEIGHT });
  const arrows = steps.flatMap(({ id, parent, reads }) => [
    ...(parent === undefined ? [] : [{ from: parent, to: id, reads: false }]),
    ...reads
      .filter((other) => other !== parent)
      .map((other) => ({ from: other, to: id, reads: true })),
  ]);
  const known = arrows.filter(({ from, to }) => graph.hasNode(from) && graph.hasNode(to));
  for (const { from, to, reads } of known) graph.setEdge(from, to, { weight: reads ? 1 : 12 });
  layout(graph);
  const { width = 0, height = 0 } = graph.graph();
  return {
    places: new Map(
      steps.map((step) => {
        const { x = 0, y = 0, width: wide, height: high } = graph.node(step.id);
        return [step.id, { step, x, y, width: wide, height: high }];
      }),
    ),
    arrows: known.map(({ from, to, reads }) => ({
      from,
      to,
      reads,
      path: curve(graph.edge(from, to).points ?? []),
    })),
    width,
    height,
  };
}

/** The step that an arrow key leads to: along the arrows, or to the nearest one beside it. */
export function neighbour(
  { places, arrows }: Drawing,
  from: string,
  key: 'ArrowUp' | 'ArrowDown' | 'ArrowLeft' | 'ArrowRight',
): string | undefined {
  const here = places.get(from);
  if (!here) return undefined;
  const nearest = (ids: readonly string[]) =>
    ids
      .flatMap((id) => places.get(id) ?? [])
      .sort(
        (a, b) => Math.hypot(a.x - here.x, a.y - here.y) - Math.hypot(b.x - here.x, b.y - here.y),
      )[0]?.step.id;
  if (key === 'ArrowUp')
    return nearest(arrows.filter(({ to }) => to === from).map((arrow) => arrow.from));
  if (key === 'ArrowDown')
    return nearest(arrows.filter((arrow) => arrow.from === from).map(({ to }) => to));
  const side = key === 'ArrowLeft' ? -1 : 1;
  return nearest(
    [...places.values()].filter(({ x }) => (x - here.x) * side > 1).map(({ step }) => step.id),
  );
}
