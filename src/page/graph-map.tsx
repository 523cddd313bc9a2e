/** A small map of a graph that is larger than its view, to see and choose where one is. */
import { type ZoomTransform, zoomIdentity } from 'd3-zoom';
import type { Drawing } from './graph-layout.js';
import { getStep } from './state.js';

const WIDTH = 110;
const HEIGHT = 150;

interface Props {
  readonly drawing: Drawing;
  readonly transform: ZoomTransform;
  readonly size: { readonly width: number; readonly height: number };
  readonly onGo: (to: ZoomTransform) => void;
}

export function GraphMap({ drawing, transform, size, onGo }: Props) {
  const { width, height, places } = drawing;
  const isWhole = width * transform.k <= size.width + 1 && height * transform.k <= size.height + 1;
  if (isWhole || size.width < 500) return null;
  const across = Math.max(0.02, Math.min(WIDTH / width, 0.2));
  const down = Math.min(HEIGHT / height, 0.2);
  const [left, top] = transform.invert([0, 0]);
  const onPointer = (event: PointerEvent): void => {
    const target = event.currentTarget;
    if (!(target instanceof SVGElement) || event.buttons === 0) return;
    const box = target.getBoundingClientRect();
    const x = (event.clientX - box.left) / across;
    const y = (event.clientY - box.top) / down;
    const { k } = transform;
    onGo(zoomIdentity.translate(size.width / 2 - x * k, size.height / 2 - y * k).scale(k));
  };
  return (
    <svg
      class="map"
      width={width * across}
      height={height * down}
      onPointerDown={onPointer}
      onPointerMove={onPointer}
      aria-hidden="true"
    >
      {[...places.values()].map(({ step, x, y, width: wide, height: high }) => (
        <rect
          key={step.id}
          class={`dot ${(getStep(step.id) ?? step).status}`}
          x={(x - wide / 2) * across}
          y={(y - high / 2) * down}
          width={wide * across}
          height={Math.max(0.5, high * down - 0.5)}
        />
      ))}
      <rect
        class="window"
        x={left * across}
        y={top * down}
        width={(size.width / transform.k) * across}
        height={Math.max(3, (size.height / transform.k) * down)}
      />
    </svg>
  );
}
