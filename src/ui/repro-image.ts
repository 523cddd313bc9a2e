/** What `wiac repro --against` prints: for people, and for programs. */
import type { ComparedLayer, ImageReport } from '../repro/image-report.js';
import { REPRO_VERSION } from '../repro/repro-report.js';
import { plural } from '../util/plural.js';
import { printable } from '../util/printable.js';
import { describeFindings } from './repro.js';

const OUTCOMES: Readonly<Record<ComparedLayer['outcome'], string>> = {
  same: 'the same digest',
  'same files': 'the same files, with other times',
  different: 'other files',
  missing: 'not in the rebuilt image',
  extra: 'not in the image',
};

function describeLayer(layer: ComparedLayer): string[] {
  const { outcome, text, step, otherInputs, findings, differences } = layer;
  const instruction = text?.split('\n')[0] ?? (step === undefined ? 'of the base image' : '');
  const hidden = differences - findings.length;
  return [
    `layer ${layer.layer}: ${OUTCOMES[outcome]}  ${printable(instruction)}`,
    ...(otherInputs ? ['    the build context has other files than it had for the image'] : []),
    ...describeFindings(findings),
    ...(hidden > 0 ? [`    and ${plural(hidden, 'other path')}`] : []),
  ];
}

/** For people. */
export function imageReportText(report: ImageReport): string {
  const { image, digest, layers, sameConfig, reproducible } = report;
  const other = layers.filter(({ outcome }) => outcome !== 'same' && outcome !== 'same files');
  const count = plural(layers.length, 'layer');
  const first = other[0]?.layer;
  const sum = reproducible
    ? `reproducible: ${image} (${digest}) was built again from its provenance, ${count}`
    : first === undefined
      ? `not reproducible: the layers of ${image} are the same, its config is not`
      : `not reproducible: ${other.length} of ${count} of ${image}; the first one is layer ${first}`;
  const config = sameConfig ? [] : ['config: another environment, command or other settings'];
  return `${[...layers.flatMap(describeLayer), ...config, sum].join('\n')}\n`;
}

/** For programs: docs/reproducible.md has the members. */
export function imageReportJson(report: ImageReport): string {
  return `${JSON.stringify({ version: REPRO_VERSION, ...report }, null, 2)}\n`;
}
