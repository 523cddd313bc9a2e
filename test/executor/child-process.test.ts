/**
 * The seam of the executor: a whole build whose steps are carried out by another process with a
 * store of its own. Nothing but JSON and archives of layers goes between the two.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { BuildRequest } from '../../src/engine/run-build.js';
import { localExecutor } from '../../src/executor/local/local-executor.js';
import type { KeyedStep } from '../../src/keys/inputs.js';
import type { ChildExecutor } from '../support/child-executor.js';
import { startChild } from '../support/child-executor.js';
import { buildHere, verifyHere } from '../support/in-process.js';
import { describeLayers } from '../support/tree.js';
import { context, dockerfile, mountsBelow, tempDir } from '../support/wiac.js';

let place: string;
let child: ChildExecutor;

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'wiac-child-'));
  child = await startChild(place);
});

afterAll(async () => {
  await child.close();
  rmSync(place, { recursive: true });
});

/** What reads the build context is carried out where the context is. */
const executor: BuildRequest['executor'] = (machine) => {
  const local = localExecutor({
    ...machine,
    isolation: 'namespaces',
    runtime: undefined,
    limits: {},
    network: 'host',
  });
  const readsContext = (step: KeyedStep) => step.kind === 'copy' && step.from === undefined;
  return {
    ...child.executor,
    execute: (step, inputs, io) =>
      (readsContext(step) ? local : child.executor).execute(step, inputs, io),
  };
};

const project = () =>
  context({
    Dockerfile: `${dockerfile()}COPY files /files
FROM scratch AS data
COPY files/sub /data
${dockerfile('WORKDIR /made/here')}COPY files /files
RUN mkdir dir && echo one > dir/one && ln dir/one dir/two && ln -s one dir/link && chmod 750 dir
RUN rm -r dir && mkdir dir && echo new > dir/new && rm /files/a
RUN --mount=type=bind,from=data,source=/data,target=/shown --mount=type=cache,target=/cache \\
    --mount=type=secret,id=word cat /shown/c > c && cat /run/secrets/word && echo x > /cache/x
COPY --from=data --chown=3:4 /data /owned
COPY --from=data /data/* /many/
`,
    'files/a': 'a',
    'files/b': 'b',
    'files/sub/c': 'c',
    'files/sub/d': 'd',
  });

test('a whole build passes through it, and makes the same files', async () => {
  const root = project();
  const here = await buildHere(tempDir(), root, { secrets: { word: 'hush' } });
  const there = tempDir();
  const built = await buildHere(there, root, { executor, secrets: { word: 'hush' } });
  expect(built.ran.length).toBe(here.ran.length);
  expect(built.output).toEqual(here.output);
  expect(built.output).toContain('hush');
  expect(await describeLayers(built.lowerdirs)).toEqual(await describeLayers(here.lowerdirs));
  expect(child.carriedOut).toEqual(expect.arrayContaining(['run', 'copy', 'workdir']));
  expect(await verifyHere(there)).toEqual([]);
  // What another process made is in the cache as anything else is.
  const again = await buildHere(there, root, { secrets: { word: 'hush' } });
  expect(again.ran).toEqual([]);
});

test('a failed step says the same', async () => {
  const failing = context({ Dockerfile: dockerfile('RUN echo why; exit 3') });
  const said = async (options: Parameters<typeof buildHere>[2]) =>
    buildHere(tempDir(), failing, options).then(
      () => undefined,
      ({ code, stepExitCode, lastLines, location }) => ({
        code,
        stepExitCode,
        lastLines,
        location,
      }),
    );
  const expected = await said({});
  expect(expected).toMatchObject({ code: 'STEP_FAILED', stepExitCode: 3, lastLines: ['why'] });
  expect(await said({ executor })).toEqual(expected);
});

test('a build that is stopped leaves nothing running there', async () => {
  const sleeping = context({ Dockerfile: dockerfile('RUN echo begun; sleep 1000') });
  const controller = new AbortController();
  const reason = new Error('enough');
  const { signal } = controller;
  const onOutput = () => controller.abort(reason);
  const building = buildHere(tempDir(), sleeping, { executor, signal, onOutput });
  expect(await building.catch((error: unknown) => error)).toBe(reason);
  expect(mountsBelow(place)).toEqual([]);
});
