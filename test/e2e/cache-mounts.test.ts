/** RUN --mount=type=cache: whose content a cache has, and where it can be mounted. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { describeLayers } from '../support/tree.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, getOutput, tempDir } from '../support/wiac.js';

const machine = warmMachines();

const BEGIN = `FROM scratch AS source
COPY bin /bin
COPY seed /seed
`;

describe('from=', () => {
  test('another content of the source is another cache, and runs the step again', async () => {
    const root = context({
      Dockerfile: `${BEGIN}${dockerfile(
        'RUN --mount=type=cache,target=/c,from=source,source=/seed cat /c/file; echo used >> /c/file',
      )}`,
      'seed/file': 'first\n',
    });
    const { build } = machine();
    expect(getOutput((await build(root)).events)).toEqual(['first']);
    writeFileSync(join(root, 'seed/file'), 'second\n');
    expect(getOutput((await build(root)).events)).toEqual(['second']);
    // The former cache is still there, with what the step left in it.
    writeFileSync(join(root, 'seed/file'), 'first\n');
    expect(getOutput((await build(root, '--no-cache')).events)).toEqual(['first', 'used']);
  });

  test('its directory belongs to whom the one in the source belongs, unless the mount says it', async () => {
    const cache = 'type=cache,target=/c,from=source,source=/own';
    const root = context({
      Dockerfile: `FROM scratch AS source
COPY bin /bin
RUN mkdir -m 711 /own && chown 7:8 /own
${dockerfile(
  `RUN --mount=${cache} stat -c '%a %u %g' /c`,
  `RUN --mount=${cache},uid=9 stat -c '%a %u %g' /c`,
  `RUN --mount=${cache},mode=755,gid=0 stat -c '%a %u %g' /c`,
)}`,
    });
    const { events } = await machine().build(root);
    expect(getOutput(events)).toEqual(['711 7 8', '711 9 8', '755 7 0']);
  });

  test('a directory that the source lacks is an error with its place', async () => {
    const root = context({
      Dockerfile: `${BEGIN}${dockerfile('RUN --mount=type=cache,target=/c,from=source,source=/no true')}`,
      'seed/file': 'first\n',
    });
    const { exitCode, stderr } = await machine().wiac(['build', root]);
    expect(exitCode).toBe(4);
    expect(stderr).toContain('Dockerfile:6');
  });
});

describe('mounts in mounts', () => {
  /** Output and the names in the topmost layer of a build of these lines on a base with a shell. */
  async function run(lines: readonly string[], files: Readonly<Record<string, string>> = {}) {
    const root = context({ Dockerfile: dockerfile(...lines), ...files });
    const { events, lowerdirs } = await machine().build(root, '--jobs=1');
    return { output: getOutput(events), left: readdirSync(lowerdirs.split(':')[0] ?? '') };
  }

  const NESTED = [
    '--mount=type=cache,target=/root/.cache/go-build',
    '--mount=type=cache,target=/root/.cache',
  ];

  test.each([
    ['the inner one first', NESTED],
    ['the outer one first', [...NESTED].reverse()],
  ])('two caches, %s', async (_, mounts) => {
    const { output, left } = await run([
      `RUN ${mounts.join(' ')} echo inner > /root/.cache/go-build/f; echo outer > /root/.cache/f`,
      'RUN --mount=type=cache,target=/root/.cache/go-build cat /root/.cache/go-build/f',
      'RUN --mount=type=cache,target=/root/.cache cat /root/.cache/f; ls /root/.cache/go-build',
    ]);
    expect({ output, left }).toEqual({ output: ['inner', 'outer'], left: [] });
  });

  test.each([
    ['a cache in a tmpfs', 'type=tmpfs,target=/run', 'type=cache,target=/run/a/b'],
    ['a tmpfs in a cache', 'type=cache,target=/v', 'type=tmpfs,target=/v/t'],
    ['a secret in a tmpfs', 'type=tmpfs,target=/run', 'type=secret,id=s,target=/run/x/s'],
    ['a cache in files of the context', 'type=bind,source=d,target=/d', 'type=cache,target=/d/n/m'],
    ['a cache in files that can be written to', 'source=d,target=/d,rw', 'type=cache,target=/d/n'],
    ['a directory in one of the same', 'source=d,target=/d', 'source=d,target=/d/sub'],
  ])('%s', async (_, outer, inner) => {
    const target = /target=([^,]*)/.exec(inner)?.[1];
    const root = context({
      Dockerfile: dockerfile(
        `RUN --mount=${outer} --mount=${inner} test -e ${target} && mount | grep -c " ${target} "`,
      ),
      'd/file': '',
      'd/sub/file': '',
      secret: 'x',
    });
    const secret = `--secret=id=s,src=${join(root, 'secret')}`;
    const { events, lowerdirs } = await machine().build(root, secret);
    expect(getOutput(events)).toEqual(['1']);
    expect(readdirSync(lowerdirs.split(':')[0] ?? '')).toEqual([]);
    expect(readdirSync(join(root, 'd'))).toEqual(['file', 'sub']);
  });

  test('a script of a here-document, where /run is a tmpfs', async () => {
    const { output } = await run([
      'RUN --mount=type=tmpfs,target=/run <<EOF',
      '#!/bin/sh',
      'echo ran',
      'EOF',
    ]);
    expect(output).toEqual(['ran']);
  });

  test('a link that another step left in the cache is not followed', async () => {
    const outside = tempDir();
    const root = context({
      Dockerfile: dockerfile(
        `RUN --mount=type=cache,target=/c ln -s ${outside} /c/link; ln -s ${outside} /c/last`,
        'ARG target',
        'RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=$target true',
      ),
    });
    const { wiac } = machine();
    for (const target of ['/c/link/new', '/c/link/new/newer', '/c/last']) {
      const args = ['build', `--build-arg=target=${target}`, root];
      const { exitCode, stderr } = await wiac(args);
      expect(exitCode).toBe(4);
      expect(stderr).toContain(`nothing can be mounted at ${target}`);
    }
    expect(readdirSync(outside)).toEqual([]);
  });
});

describe('where the image hides the mount point', () => {
  const MOUNT = '--mount=type=cache,target=/d/e/cache';

  test.each([
    ['a directory that was made anew', 'rm -r /d; mkdir -p /d/e'],
    ['a directory that was removed', 'rm -r /d'],
    ['a directory below one that was made anew', 'rm -r /d; mkdir /d'],
    ['the place itself was removed', 'rm -r /d/e/cache'],
  ])('%s', async (_, change) => {
    const root = context({
      Dockerfile: dockerfile(
        'RUN mkdir -p /d/e/cache && echo old > /d/old',
        `RUN ${change}`,
        `RUN ${MOUNT} touch /d/e/cache/file`,
        `RUN ${MOUNT} test -e /d/e/cache/file; test ! -e /d/old || echo old`,
      ),
    });
    const { lowerdirs } = await machine().build(root);
    for (const layer of lowerdirs.split(':').slice(0, 2)) expect(readdirSync(layer)).toEqual([]);
  });

  test('what is written beside it goes into a directory that looks as it did', async () => {
    const lines = (mount: string) => [
      'RUN mkdir -p /d/e/cache && mkdir /s',
      'RUN rm -r /d; mkdir -m 2751 /d; mkdir -m 1707 /d/e; chown 7:8 /d /d/e; touch -d @1000 /d/e /d',
      `RUN ${mount} echo beside > /d/e/file`,
      // Times of directories change with what is made in them.
      'RUN touch -d @2000 /d/e /d/e/file',
    ];
    const build = async (mount: string) => {
      const { lowerdirs } = await machine().build(
        context({ Dockerfile: dockerfile(...lines(mount)) }),
      );
      return { files: await describeLayers(lowerdirs), layer: lowerdirs.split(':')[1] ?? '' };
    };
    const made = await build(MOUNT);
    expect(existsSync(join(made.layer, 'd/e/cache'))).toBe(false);
    expect(made.files).toEqual((await build('')).files);
  });
});
