// What projects have: stages on a Debian base that install, build and test, and a result that takes from them.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { coldContexts, debianContext } from '../contexts.js';
import { time } from '../harness.js';
import { ofBuildKit, seconds } from '../table.js';

const BASE = 'localhost/debian';
const DOCKERFILE = `FROM ${BASE} AS deps
WORKDIR /app
COPY package.json ./
RUN for p in $(seq 100); do mkdir -p modules/p$p && for f in $(seq 20); do echo "$p $f" > modules/p$p/f$f.js; done; done
FROM deps AS build
COPY src ./src
RUN mkdir dist && cat src/*/* | gzip > dist/bundle.gz && find src -type f | sort | sha256sum > dist/manifest
FROM deps AS test
COPY src ./src
RUN grep -rl 7 src > report
FROM ${BASE}
RUN groupadd -r app && useradd -r -g app app
WORKDIR /app
COPY --from=deps /app/modules ./modules
COPY --from=build /app/dist ./dist
COPY --from=test /app/report ./
ENV NODE_ENV=production
USER app
RUN ls dist modules > /tmp/list
CMD ["sh", "-c", "ls /app"]
`;

function project(directory) {
  mkdirSync(join(directory, 'bin'));
  writeFileSync(join(directory, 'package.json'), `{"name": "${directory}"}\n`);
  for (let folder = 0; folder < 10; folder++) {
    const path = join(directory, 'src', `folder${folder}`);
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < 50; file++)
      writeFileSync(join(path, `file${file}.js`), `${directory} ${folder} ${file}\n`.repeat(80));
  }
  writeFileSync(join(directory, 'Dockerfile'), DOCKERFILE);
}

export function measure({ work, builds, builders, directory, rounds }) {
  const base = directory('debian');
  debianContext(base);
  const contexts = coldContexts(work, 'project', project);
  // wiac links files of older layers: each of its cold builds has a store with nothing but the base.
  const store = (name, round) => (name === 'wiac' ? `debian-${round}` : 'debian');
  for (const [name, builder] of Object.entries(builders))
    for (let round = 0; round < (name === 'wiac' ? rounds : 1); round++)
      time(builder.build(base, { store: store(name, round), args: ['-t', BASE] }));
  const cold = builds((builder, round, name) =>
    builder.build(contexts(round), { store: store(name, round) }),
  );
  const cached = builds(
    (builder, _round, name) => builder.build(contexts(0), { store: store(name, 0) }),
    { others: { node: () => ({ command: process.execPath, args: ['-e', '0'] }) } },
  );
  return {
    rows: [
      { title: 'Debian base, 4 stages, cold', times: cold, targets: ofBuildKit(cold, 0.5) },
      {
        title: 'the same, cached',
        times: cached,
        beside: `node -e 0: ${seconds(cached.node)}`,
        targets: ofBuildKit(cached, 0.9),
      },
    ],
  };
}
