// One file of 20,000 has changed, right after a large tree was removed. The last part: on ext4 without a
// journal, all that is measured in the five minutes after a removal is slower.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { ofBuildKit } from '../table.js';
import { builtContext, within } from './changed.js';

export async function measure(bench) {
  const { work, builds, rounds, builders } = bench;
  const store = 'removed';
  const { context, change } = await builtContext(bench, store);
  const only = Object.keys(builders).filter((name) => name === 'wiac' || name === 'buildkit');
  const times = Math.min(rounds, 3);
  const tree = (name, round) => join(work, `tree-${name}-${round}`);
  for (const name of only)
    for (let round = 0; round < times; round += 1)
      execFileSync('cp', ['-a', context, tree(name, round)]);
  execFileSync('sync');
  const measured = builds(
    (builder, round, name) => {
      rmSync(tree(name, round), { recursive: true });
      change();
      return builder.build(context, { store });
    },
    { only, times },
  );
  return {
    rows: [
      {
        title: '20,000 files, one changed, after a removal of 20,000',
        times: measured,
        targets: [...ofBuildKit(measured, 0.15), within(measured)],
      },
    ],
  };
}
