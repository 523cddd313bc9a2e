// A context of 20,000 files and 80 MB, cold: into a layer, and from that into another one.
import { join } from 'node:path';
import { coldContexts, filesContext, stageContext, stepsContext } from '../contexts.js';
import { peakMemory } from '../harness.js';
import { ofBuildah, ofBuildKit, seconds, target } from '../table.js';

const MOST_MEMORY = 150;
const memoryTarget = (peak) => target(`< ${MOST_MEMORY} MB`, `${peak} MB`, peak < MOST_MEMORY);

export function measure({ work, builds, builders, directory }) {
  const contexts = coldContexts(work, 'files-cold', (path) => filesContext(path));
  const none = directory('files-none');
  stepsContext(none, ['RUN ls / > /list']);
  const cold = builds(
    (builder, round) => builder.build(contexts(round), { store: `files-${round}` }),
    {
      others: {
        cp: (round) => ({
          command: 'cp',
          args: ['-a', join(contexts(round), 'src'), join(work, `files-copy-${round}`)],
        }),
        start: (round) => builders.wiac.build(none, { store: `files-none-${round}` }),
      },
    },
  );
  const bound = 1.5 * cold.cp + cold.start;
  const peak = peakMemory(builders.wiac.build(contexts(0), { store: 'files-peak' }));

  const stages = coldContexts(work, 'stage-cold', stageContext);
  const copied = builds((builder, round) =>
    builder.build(stages(round), { store: `stage-${round}` }),
  );
  const stagePeak = peakMemory(builders.wiac.build(stages(0), { store: 'stage-peak' }));
  return {
    rows: [
      {
        title: '20,000 files, 80 MB, cold',
        times: cold,
        beside: `cp -a: ${seconds(cold.cp)}; a build without the files: ${seconds(cold.start)}`,
        targets: [
          ...ofBuildKit(cold, 0.35),
          ...ofBuildah(cold, 0.1),
          target(
            '<= 1.5 x cp -a + start',
            `${(cold.wiac / bound).toFixed(2)} of it`,
            cold.wiac <= bound,
          ),
          memoryTarget(peak),
        ],
      },
      {
        title: '20,000 files through COPY --from, cold',
        times: copied,
        targets: [...ofBuildKit(copied, 0.3), memoryTarget(stagePeak)],
      },
    ],
  };
}
