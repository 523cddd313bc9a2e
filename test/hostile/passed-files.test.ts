/** A step that passes its files to another one, by a socket in a cache mount: a layer changes no more all the same. */
import { chmodSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { readAbout } from '../support/process-facts.js';
import { getMachine, MODES, stepOutput, wiacAs } from '../support/rootless.js';
import { context, printed, processesWith, WIAC } from '../support/wiac.js';

const MOUNT = '--mount=type=cache,target=/c';

/** Two steps that run at once. The one that gets the files writes when the step behind the other one runs. */
async function passingContext(mode: 'r' | 'w'): Promise<string> {
  const Dockerfile = [
    ...['FROM scratch AS base', 'COPY bin pass /bin/'],
    ...['FROM base AS receiver', `RUN ${MOUNT} pass receive /c/socket /c/sign`],
    'FROM base AS sender',
    `RUN ${MOUNT} echo good > /file && pass send /c/socket /file ${mode}`,
    `RUN ${MOUNT} : > /c/sign`,
    ...['FROM base', 'COPY --from=receiver /bin/sh /one', 'COPY --from=sender /file /two', ''],
  ].join('\n');
  const root = context({ Dockerfile });
  chmodSync(root, 0o755);
  const flags = ['-static', '-Wall', '-Wextra', '-Werror'];
  await execa('cc', [...flags, '-o', join(root, 'pass'), 'test/hostile/pass.c']);
  return root;
}

test('a step whose files nobody could close, as wiac-sys may open no more, fails', async () => {
  const { root: store, env } = getMachine('root');
  const step = `RUN ${MOUNT} echo ready && until test -e /c/sign; do sleep 0.01; done`;
  const root = context({ Dockerfile: ['FROM scratch', 'COPY bin /bin/', step].join('\n') });
  const child = execa(WIAC, ['build', root], { env, reject: false });
  await printed(child.stderr, '| ready');
  const [sys] = processesWith('\0serve').filter((pid) =>
    readAbout(pid, 'status').includes(`PPid:\t${child.pid}\n`),
  );
  // Enough for poll(2) to take its descriptors.
  await execa('prlimit', ['--nofile=4', '--pid', String(sys)]);
  const [cache = ''] = readdirSync(join(store, 'mounts'));
  writeFileSync(join(store, 'mounts', cache, 'sign'), '');
  const { exitCode, stderr } = await child;
  expect(stderr).toContain('files could not be made read-only: Too many open files');
  expect(exitCode).toBe(12);
});

describe.each(MODES)('$user, $flag', ({ user, flag }) => {
  test('one that is open for writing when the step ends: the step fails', async () => {
    const made = getMachine(user);
    const root = await passingContext('w');
    const { exitCode, stderr } = await wiacAs(made, ['build', '-j2', flag, root]);
    expect(stderr).toContain('its files may still be changed from outside of its container');
    expect(exitCode).toBe(5);
  });

  test('one that is open for reading, and the root directory: they are for reading', async () => {
    const made = getMachine(user);
    const lines = await stepOutput(made, await passingContext('r'), ['-j2', flag]);
    const refused = 'Read-only file system';
    expect(lines).toEqual(['file: Bad file descriptor', `again: ${refused}`, `root: ${refused}`]);
    expect(await wiacAs(made, ['cache', 'verify'])).toMatchObject({ exitCode: 0 });
  });
});
