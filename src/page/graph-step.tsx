/** A step and an arrow of the graph. */
import { memo } from 'preact/compat';
import type { ReportStep } from '../report/report-data.js';
import type { Place } from './graph-layout.js';
import { select } from './state.js';
import { Shape } from './status-mark.js';
import { firstLine, STATUS, shorten, timeOf } from './wording.js';

/** Characters that fit. */
const TEXT = 32;

interface StepProps {
  readonly place: Place;
  /** As it is now. */
  readonly step: ReportStep;
  readonly isChosen: boolean;
  readonly isStrong: boolean;
  /** The one that Tab leads to. */
  readonly isFirst: boolean;
}

export const GraphStep = memo(({ place, step, isChosen, isStrong, isFirst }: StepProps) => {
  const { x, y, width, height } = place;
  const text = firstLine(step.text);
  const time = timeOf(step);
  const classes = [
    'node',
    step.status,
    ...(isChosen ? ['chosen'] : []),
    ...(isStrong ? ['strong'] : []),
  ];
  return (
    // biome-ignore lint/a11y/useSemanticElements: SVG has no buttons
    <g
      class={classes.join(' ')}
      transform={`translate(${x - width / 2} ${y - height / 2})`}
      role="button"
      tabindex={isFirst ? 0 : -1}
      aria-label={`${step.name}, ${STATUS[step.status]}${time === '' ? '' : `, ${time}`}: ${text}`}
      aria-pressed={isChosen}
      data-step={step.id}
      onClick={() => select(step.id)}
      onKeyDown={(event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return;
        event.preventDefault();
        select(step.id);
      }}
    >
      <rect width={width} height={height} rx="3" />
      {step.status === 'none' ? (
        <text class="code" x="10" y="16">
          {shorten(text, TEXT)}
        </text>
      ) : (
        <>
          <g transform="translate(10 7)">
            <Shape status={step.status} />
          </g>
          <text class="name" x="28" y="17">
            {shorten(step.name, 24)}
          </text>
          <text class="time" x={width - 10} y="17" text-anchor="end">
            {time}
          </text>
          <text class="code" x="10" y="35">
            {shorten(text, TEXT)}
          </text>
        </>
      )}
    </g>
  );
});

interface ArrowProps {
  readonly path: string;
  readonly reads: boolean;
  readonly isStrong: boolean;
  readonly isChosen: boolean;
}

export const GraphArrow = memo(({ path, reads, isStrong, isChosen }: ArrowProps) => {
  const classes = [
    'arrow',
    ...(reads ? ['reads'] : []),
    ...(isStrong ? ['strong'] : []),
    ...(isChosen ? ['chosen'] : []),
  ];
  return <path class={classes.join(' ')} d={path} />;
});
