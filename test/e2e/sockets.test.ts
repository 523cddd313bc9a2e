/** Unix sockets in a build context, which BuildKit's client sends as empty files. */
import { chmodSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { context, dockerfile, getOutput, machine, ranSteps } from '../support/wiac.js';

/** Somebody listens, as agents and debuggers do. */
async function withSocket(path: string, action: () => Promise<void>): Promise<void> {
  const server = createServer();
  await new Promise<void>((resume) => server.listen(path, resume));
  try {
    await action();
  } finally {
    await new Promise((resume) => server.close(resume));
  }
}

const STAT = '/bin/stat -c "%n %F %a %u" ';

test('a socket is an empty file with its mode, alone and in a directory', async () => {
  const root = context({
    Dockerfile: dockerfile(
      'COPY dir /dir',
      'COPY --chmod=640 --chown=5 dir/socket /alone',
      'ADD dir/socket /added',
      'RUN --mount=type=bind,source=dir,target=/mnt cat /mnt/socket && echo read',
      `RUN ${STAT} /dir/socket /alone /added`,
    ),
  });
  mkdirSync(join(root, 'dir'));
  const socket = join(root, 'dir/socket');
  await withSocket(socket, async () => {
    chmodSync(socket, 0o755);
    const { build } = machine();
    const first = await build(root);
    expect(getOutput(first.events)).toEqual([
      'read',
      '/dir/socket regular empty file 755 0',
      '/alone regular empty file 640 5',
      '/added regular empty file 755 0',
    ]);
    expect(ranSteps((await build(root)).events)).toEqual([]);
    chmodSync(socket, 0o700);
    expect(ranSteps((await build(root)).events)).not.toEqual([]);
  });
});

test('of a named context too', async () => {
  const { build } = machine();
  const root = context({
    Dockerfile: dockerfile('COPY --from=named socket /copied', `RUN ${STAT} /copied`),
  });
  const named = context({});
  await withSocket(join(named, 'socket'), async () => {
    const { events } = await build(root, '--build-context', `named=${named}`);
    expect(getOutput(events)).toEqual([expect.stringContaining('/copied regular empty file')]);
  });
});
