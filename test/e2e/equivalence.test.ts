/** The same Dockerfile, built by wiac and by buildah, gives the same files. */
import { chmodSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { describeBuildah, describeLayers } from '../support/tree.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile } from '../support/wiac.js';

const machine = warmMachines();

/** buildah leaves its mount points in the image. */
function withoutMountPoints(tree: readonly string[]): string[] {
  return tree.filter((line) => !/^(dev|proc|sys|run|etc)\b/.test(line));
}

async function expectSame(root: string): Promise<string[]> {
  const ours = await describeLayers((await machine().build(root)).lowerdirs);
  expect(withoutMountPoints(ours)).toEqual(withoutMountPoints(await describeBuildah(root)));
  return ours;
}

test('directories removed, made again, renamed and replaced by files', async () => {
  const tree = await expectSame(
    context({
      Dockerfile: dockerfile(
        'COPY d /d',
        'COPY d /e',
        'RUN rm -rf /d && mkdir /d && echo new > /d/new',
        'RUN mv /e /moved',
        'RUN rm -rf /moved/sub && echo file > /moved/sub',
        'RUN rm /moved/one && mkdir /moved/one && echo x > /moved/one/x',
      ),
      'd/one': '1',
      'd/sub/two': '2',
    }),
  );
  const names = tree.map((line) => line.split(' ')[0]).filter((name) => !name?.startsWith('bin'));
  expect(names).toEqual(['d', 'd/new', 'moved', 'moved/one', 'moved/one/x', 'moved/sub']);
});

test('COPY brings back what a step removed, and fills a directory that a step emptied', async () => {
  await expectSame(
    context({
      Dockerfile: dockerfile(
        'COPY d /d',
        'RUN rm -rf /d',
        'COPY d/one /d/',
        'RUN rm /d/one',
        'COPY d /d',
      ),
      'd/one': '1',
      'd/two': '2',
    }),
  );
});

test('modes, setuid and sticky bits, owners, links', async () => {
  const root = context({
    Dockerfile: dockerfile(
      'COPY d /copied',
      'COPY --chown=7:8 d /owned',
      'RUN chmod 4755 /owned/other && chmod 1777 /owned/directory && chown 9:10 /copied/other',
      'RUN ln /copied/other /hard && ln -s /copied /link && chmod 0500 /copied',
    ),
    'd/plain': 'x',
    'd/other': 'y',
  });
  mkdirSync(join(root, 'd/directory'));
  chmodSync(join(root, 'd/directory'), 0o700);
  writeFileSync(join(root, 'd/secret'), 'x', { mode: 0o400 });
  linkSync(join(root, 'd/plain'), join(root, 'd/linked'));
  symlinkSync('directory', join(root, 'd/symlink'));
  await expectSame(root);
});

test('COPY over what is there: files, directories with other modes, links on the way', async () => {
  await expectSame(
    context({
      Dockerfile: dockerfile(
        'RUN mkdir -m 700 /d && chown 3:4 /d && echo old > /d/one && mkdir /real && ln -s /real /link',
        'COPY d /d',
        'COPY d/one /link/',
        'COPY d/one /link/renamed',
      ),
      'd/one': '1',
      'd/sub/two': '2',
    }),
  );
});

test('stages, ARG, ENV, USER, WORKDIR', async () => {
  await expectSame(
    context({
      Dockerfile: `ARG NAME=world
FROM scratch AS base
COPY bin /bin
ARG NAME
ENV GREETING="hello $NAME" WHERE=/srv/\${NAME:-nobody}
WORKDIR $WHERE
FROM base AS make
WORKDIR sub
USER 1000:1000
WORKDIR made-by-user
USER 0
RUN chmod 777 . && echo $GREETING > greeting
USER 1000
RUN echo mine > mine && mkdir -p deep/er
FROM base
COPY --from=make /srv /srv
COPY --from=make --chown=5 $WHERE/sub/made-by-user/mine /mine
RUN pwd > where
`,
    }),
  );
});

test('wildcards, .dockerignore with exceptions', async () => {
  await expectSame(
    context({
      Dockerfile: dockerfile('COPY s*/*.txt /flat/', 'COPY src /src', 'COPY [a-z].md sr?/ /mixed/'),
      '.dockerignore': '**/*.log\n!src/keep.log\nsrc/private\n!src/private/public.txt\n',
      'src/a.txt': 'a',
      'src/b.log': 'b',
      'src/keep.log': 'kept',
      'src/private/secret.txt': 's',
      'src/private/public.txt': 'p',
      'src/deep/c.log': 'c',
      'src/deep/d.txt': 'd',
      'some/e.txt': 'e',
      'x.md': 'x',
    }),
  );
});
