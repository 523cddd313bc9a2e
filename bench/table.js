// Rows of `npm run bench`: how long each builder took, and which targets wiac meets.
import { markdownTable } from './harness.js';

export const seconds = (ms) => `${(ms / 1000).toFixed(ms < 1000 ? 3 : 2)} s`;

/** A target: what is asked for, the number that was measured, and whether it is met. */
export const target = (wanted, measured, met) => `${wanted}: ${measured} ${met ? 'yes' : 'NO'}`;

/** At most a share of what another one takes; nothing where that was not measured. */
function share(ours, theirs, most, name) {
  if (theirs === undefined) return [];
  const ratio = ours / theirs;
  return [target(`<= ${most} of ${name}`, ratio.toFixed(ratio < 0.1 ? 3 : 2), ratio <= most)];
}
export const ofBuildKit = (times, most) => share(times.wiac, times.buildkit, most, 'BuildKit');
/** Of trixie's, where both were measured. */
export const ofBuildah = (times, most) =>
  share(times.wiac, times.trixie ?? times.buildah, most, 'buildah');

/**
 * @param builders as of peers.js
 * @param rows title, times, what is beside it, and targets
 */
export function table(builders, rows) {
  const names = Object.keys(builders);
  const header = ['workload', ...names.map((name) => builders[name].title), 'beside', 'targets'];
  return markdownTable([
    header,
    ...rows.map(({ title, times, beside = '', targets = [] }) => [
      title,
      ...names.map((name) => (times[name] === undefined ? '' : seconds(times[name]))),
      beside,
      targets.join('; '),
    ]),
  ]);
}
