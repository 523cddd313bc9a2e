// Nothing has changed: what a build costs that only looks.
import { join } from 'node:path';
import { filesContext } from '../contexts.js';
import { peakMemory, time } from '../harness.js';
import { ofBuildKit, seconds, target } from '../table.js';

const FORMAT = '%P %m %i %D %C@ %s %T@ %U %G\\n';
const MANY = 200_000;
const FEW = 20_000;

export async function measure({ builds, builders, directory, rounds }) {
  const contexts = { few: directory('unchanged'), many: directory('unchanged-many') };
  filesContext(contexts.few, FEW / 100);
  filesContext(contexts.many, MANY / 100);
  // Files younger than the clock's step are read once more; a real checkout is older than that.
  await new Promise((resume) => setTimeout(resume, 200));
  const build = (builder, name) => builder.build(contexts[name], { store: `unchanged-${name}` });
  const find = (name) => ({
    command: 'find',
    args: [join(contexts[name], 'src'), '-printf', FORMAT],
  });

  for (const builder of Object.values(builders)) time(build(builder, 'few'));
  time(build(builders.wiac, 'few'));
  const few = builds((builder) => build(builder, 'few'), {
    others: {
      find: () => find('few'),
      node: () => ({ command: process.execPath, args: ['-e', '0'] }),
    },
  });
  const bound = few.find + 1.5 * few.node;

  // The others take minutes.
  const only = Object.keys(builders).filter((name) => name === 'wiac' || name === 'buildkit');
  for (const name of only) time(build(builders[name], 'many'));
  time(build(builders.wiac, 'many'));
  const many = builds((builder) => build(builder, 'many'), {
    only,
    times: Math.min(rounds, 3),
    others: { find: () => find('many') },
  });
  const perFile = ((many.wiac - few.wiac) * 1000) / (MANY - FEW);
  const findPerFile = ((many.find - few.find) * 1000) / (MANY - FEW);
  const peak = peakMemory(build(builders.wiac, 'many'));
  return {
    rows: [
      {
        title: '20,000 files, unchanged',
        times: few,
        beside: `find -printf: ${seconds(few.find)}; node -e 0: ${seconds(few.node)}`,
        targets: [
          ...ofBuildKit(few, 0.3),
          target(
            '<= find + 1.5 x node',
            `${(few.wiac / bound).toFixed(2)} of it`,
            few.wiac <= bound,
          ),
        ],
      },
      {
        title: '200,000 files, unchanged',
        times: many,
        beside: `find -printf: ${seconds(many.find)}, ${findPerFile.toFixed(1)} us a file`,
        targets: [
          target('<= 2 us a file', perFile.toFixed(1), perFile <= 2),
          target('< 150 MB', `${peak} MB`, peak < 150),
        ],
      },
    ],
  };
}
