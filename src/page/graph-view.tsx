/** The steps and what they need, to be zoomed and moved. */
import { computed, useSignal } from '@preact/signals';
import { select as d3Select } from 'd3-selection';
import { type ZoomBehavior, type ZoomTransform, zoom, zoomIdentity } from 'd3-zoom';
import { useEffect, useRef } from 'preact/hooks';
import { type Drawing, drawGraph, neighbour } from './graph-layout.js';
import { GraphMap } from './graph-map.js';
import { GraphArrow, GraphStep } from './graph-step.js';
import { build, getStep, onPath, pathArrows, select, selected } from './state.js';
import { StatusMark } from './status-mark.js';
import { STATUS } from './wording.js';

/** What decides where steps are: nobody wants them to move while their states change. */
const shape = computed(() =>
  JSON.stringify(
    build.value.steps.map(({ id, parent, reads, status }) => [
      id,
      parent,
      reads,
      status === 'none',
    ]),
  ),
);
const drawing = computed(() => (shape.value ? drawGraph(build.peek().steps) : drawGraph([])));

/** Text of smaller steps can't be read. */
const READABLE = 0.68;
const MARGIN = 24;
/** For what stands at the bottom. */
const FOOT = 36;

type Zoom = ZoomBehavior<SVGSVGElement, unknown>;

interface Size {
  readonly width: number;
  readonly height: number;
}

function sizeOf(svg: SVGSVGElement): Size {
  const { clientWidth: width, clientHeight: height } = svg;
  return { width, height };
}

/** All of it, in the middle. */
function fitted({ width, height }: Drawing, size: Size): ZoomTransform {
  const free = size.height - FOOT;
  const scale = Math.min(1.1, size.width / width, free / height);
  return zoomIdentity
    .translate((size.width - width * scale) / 2, Math.max(0, (free - height * scale) / 2))
    .scale(scale);
}

/** The step that one wants to see first. */
function startingPoint(): string | undefined {
  const { steps, path } = build.value;
  const failed = steps.find(({ status }) => status === 'failed');
  return selected.value ?? failed?.id ?? path.parts[0]?.step ?? steps[0]?.id;
}

/** All of it if it can be read then; else its part around the most telling step. */
function opening(shown: Drawing, size: Size): ZoomTransform {
  const whole = fitted(shown, size);
  if (whole.k >= READABLE) return whole;
  const place = shown.places.get(startingPoint() ?? '');
  const scale = Math.max(READABLE, Math.min(1, size.width / shown.width));
  const fits = shown.width * scale <= size.width;
  const x = fits
    ? (size.width - shown.width * scale) / 2
    : size.width / 2 - (place?.x ?? 0) * scale;
  const top = MARGIN - ((place?.y ?? 0) - 120) * scale;
  const lowest = Math.min(0, size.height - FOOT - shown.height * scale);
  return zoomIdentity.translate(x, Math.max(lowest, Math.min(0, top))).scale(scale);
}

/** Moves as little as it takes to have a step in sight. */
function revealing(shown: Drawing, id: string, now: ZoomTransform, size: Size): ZoomTransform {
  const place = shown.places.get(id);
  if (!place) return now;
  const [x, y] = now.apply([place.x, place.y]);
  const half = { x: (place.width * now.k) / 2 + MARGIN, y: (place.height * now.k) / 2 + MARGIN };
  const inside = (at: number, margin: number, length: number) =>
    Math.min(Math.max(at, margin), Math.max(margin, length - margin));
  const dx = inside(x, half.x, size.width) - x;
  const dy = inside(y, half.y, size.height) - y;
  return zoomIdentity.translate(now.x + dx, now.y + dy).scale(now.k);
}

const isArrow = (key: string): key is 'ArrowUp' | 'ArrowDown' | 'ArrowLeft' | 'ArrowRight' =>
  ['ArrowUp', 'ArrowDown', 'ArrowLeft', 'ArrowRight'].includes(key);

/** What the shapes of steps mean, of those that there are. */
function States() {
  const there = new Set(build.value.steps.map(({ status }) => status));
  const shown = (['ran', 'cached', 'failed', 'stopped', 'running', 'unreached'] as const).filter(
    (status) => there.has(status),
  );
  return (
    <>
      {shown.map((status) => (
        <span key={status} class="state">
          <StatusMark status={status} /> {STATUS[status]}
        </span>
      ))}
    </>
  );
}

export function GraphView() {
  const svg = useRef<SVGSVGElement>(null);
  const zooming = useRef<Zoom>(undefined);
  const transform = useSignal(zoomIdentity);
  const size = useSignal<Size>({ width: 1, height: 1 });
  const shown = drawing.value;
  const go = (to: ZoomTransform): void => {
    const { current } = svg;
    if (current && zooming.current) d3Select(current).call(zooming.current.transform, to);
  };
  const scaleBy = (factor: number): void => {
    const { current } = svg;
    if (current && zooming.current) d3Select(current).call(zooming.current.scaleBy, factor);
  };

  useEffect(() => {
    const { current } = svg;
    if (!current) return undefined;
    const behaviour: Zoom = zoom<SVGSVGElement, unknown>()
      .scaleExtent([0.02, 3])
      .on('zoom', (event: { readonly transform: ZoomTransform }) => {
        transform.value = event.transform;
      });
    zooming.current = behaviour;
    d3Select(current).call(behaviour).on('dblclick.zoom', null);
    size.value = sizeOf(current);
    go(opening(shown, size.value));
    const observer = new ResizeObserver(() => {
      size.value = sizeOf(current);
    });
    observer.observe(current);
    return () => {
      observer.disconnect();
      d3Select(current).on('.zoom', null);
    };
  }, [shown]);

  const id = selected.value;
  useEffect(() => {
    const { current } = svg;
    if (current && id !== undefined) go(revealing(shown, id, transform.peek(), sizeOf(current)));
  }, [id, shown]);

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === '+' || event.key === '-') scaleBy(event.key === '+' ? 1.25 : 0.8);
    else if (event.key === '0') go(fitted(shown, size.value));
    else if (isArrow(event.key)) {
      const from = document.activeElement?.getAttribute('data-step') ?? startingPoint() ?? '';
      const next = neighbour(shown, from, event.key);
      if (next === undefined) return;
      select(next);
      svg.current
        ?.querySelector<SVGElement>(`[data-step="${next}"]`)
        ?.focus({ preventScroll: true });
    } else return;
    event.preventDefault();
  };

  const first = id ?? startingPoint();
  return (
    <div
      class="graph-view"
      onKeyDown={onKeyDown}
      role="application"
      aria-label="Steps and what they need"
    >
      <svg ref={svg} class="canvas">
        <title>Steps and what they need</title>
        <g transform={transform.value.toString()}>
          {shown.arrows.map(({ from, to, reads, path }) => (
            <GraphArrow
              key={`${from} ${to}`}
              path={path}
              reads={reads}
              isStrong={pathArrows.value.has(`${from} ${to}`)}
              isChosen={id !== undefined && (from === id || to === id)}
            />
          ))}
          {[...shown.places.values()].map((place) => (
            <GraphStep
              key={place.step.id}
              place={place}
              step={getStep(place.step.id) ?? place.step}
              isChosen={place.step.id === id}
              isStrong={onPath.value.has(place.step.id)}
              isFirst={place.step.id === first}
            />
          ))}
        </g>
      </svg>
      <div class="tools">
        <button type="button" aria-label="Zoom in" title="+" onClick={() => scaleBy(1.25)}>
          +
        </button>
        <button type="button" aria-label="Zoom out" title="-" onClick={() => scaleBy(0.8)}>
          −
        </button>
        <button type="button" title="0" onClick={() => go(fitted(shown, size.value))}>
          Fit
        </button>
      </div>
      <GraphMap drawing={shown} transform={transform.value} size={size.value} onGo={go} />
      <p class="legend">
        <States />
        <span class="line strong" /> critical path <span class="line" /> continues{' '}
        <span class="line reads" /> reads files
      </p>
    </div>
  );
}
