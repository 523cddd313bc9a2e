// A few large files: 1 GB that no compression makes smaller.
import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { coldContexts, stepsContext } from '../contexts.js';
import { time } from '../harness.js';
import { ofBuildKit } from '../table.js';

const FILES = 16;

export function measure({ work, builds, builders, directory, rounds }) {
  const data = directory('large');
  for (let file = 0; file < FILES; file++)
    writeFileSync(join(data, `${file}`), randomBytes(1e9 / FILES));
  const contexts = coldContexts(work, 'large-cold', (context) => {
    mkdirSync(join(context, 'data'));
    for (let file = 0; file < FILES; file++)
      linkSync(join(data, `${file}`), join(context, 'data', `${file}`));
    stepsContext(context, ['COPY data /data', 'RUN ls /data > /list']);
  });
  const build = (builder, round) => builder.build(contexts(round), { store: `large-${round}` });
  const times = Math.min(rounds, 3);
  const cold = builds(build, { times });
  for (const builder of Object.values(builders)) time(build(builder, 0));
  const cached = builds((builder) => build(builder, 0), { times });
  return {
    rows: [
      { title: 'COPY 1 GB, cold', times: cold, targets: ofBuildKit(cold, 0.3) },
      { title: 'COPY 1 GB, cached', times: cached, targets: ofBuildKit(cached, 0.9) },
    ],
  };
}
