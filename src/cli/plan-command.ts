/** `wiac plan` */

import { planBuild } from '../engine/ask.js';
import type { StepStatus } from '../engine/plan-status.js';
import type { Plan } from '../plan/plan.js';
import { isHermetic, printedStep } from '../plan/step.js';
import { stepNames } from '../plan/step-names.js';
import { formatTable } from '../ui/format.js';
import { printableLines } from '../util/printable.js';
import type { SetExitCode } from './declare/options.js';
import type { DockerfileOptions } from './dockerfile-input.js';
import { withRequestAsRoot } from './with-store.js';

/** Options of `wiac plan`, as commander gives them. */
export interface PlanCommandOptions extends DockerfileOptions {
  readonly format: 'text' | 'json' | 'dot';
}

function asText(statuses: readonly StepStatus[]): string {
  const names = stepNames(statuses.map(({ step }) => step));
  return formatTable(
    statuses.map(({ step, key, status, afterMiss }) => [
      step.id,
      status === 'none' ? '-' : afterMiss ? 'miss?' : status,
      key?.slice(0, 12) ?? '-',
      [step.parent, ...step.reads].filter(Boolean).join(',') || '-',
      names.get(step.id) ?? '',
      isHermetic(step) ? `${step.text} (hermetic)` : step.text,
    ]),
  );
}

function asJson(plan: Plan, statuses: readonly StepStatus[]): string {
  const steps = statuses.map(({ step, key, status, afterMiss }) => ({
    ...printedStep(step),
    ...(step.kind === 'run' ? { hermetic: isHermetic(step) } : {}),
    key: key ?? null,
    status,
    afterMiss,
  }));
  const { platform, target, config } = plan;
  return `${JSON.stringify({ platform, target, config, steps }, null, 2)}\n`;
}

const DOT_COLOURS = {
  hit: 'palegreen',
  miss: 'lightsalmon',
  none: 'lightgrey',
  unneeded: 'white',
};

/** Graphviz dot; solid edges: file system below, dashed edges: files read from there. */
function asDot(statuses: readonly StepStatus[]): string {
  const lines = statuses.flatMap(({ step, key, status }) => {
    const label = [printableLines(step.text), key?.slice(0, 12)].filter(Boolean).join('\n');
    return [
      `  ${step.id} [label=${JSON.stringify(label)}, fillcolor=${DOT_COLOURS[status]}];`,
      ...(step.parent === undefined ? [] : [`  ${step.parent} -> ${step.id};`]),
      ...step.reads.map((id) => `  ${id} -> ${step.id} [style=dashed];`),
    ];
  });
  return `digraph wiac {\n  node [shape=box, style=filled];\n${lines.join('\n')}\n}\n`;
}

/** Prints the plan with keys and status; runs nothing. */
export function planCommand(
  path: string,
  options: PlanCommandOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  return withRequestAsRoot(path, options, setExitCode, async (store, request) => {
    const { plan, statuses } = await planBuild(store, request);
    const text =
      options.format === 'json'
        ? asJson(plan, statuses)
        : options.format === 'dot'
          ? asDot(statuses)
          : asText(statuses);
    process.stdout.write(text);
  });
}
