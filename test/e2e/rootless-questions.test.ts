/** Questions about layers, asked by a user who has other numbers than the files in them. */
import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { UserMachine } from '../support/rootless.js';
import { getMachine, ORDINARY_UID, stepOutput, wiacAs } from '../support/rootless.js';
import { context, dockerfile, tempDir, writeTree } from '../support/wiac.js';

const CHOWN = (owner: string, paths: string) => `RUN /bin/busybox chown -h ${owner} ${paths}`;

/** A layout with an image of one layer, made by root. @returns where it is */
async function imageOf(shared: string, name: string, ...lines: string[]): Promise<string> {
  const layout = join(shared, name);
  await stepOutput(getMachine('root'), context({ Dockerfile: dockerfile(...lines) }), [
    '--squash-all',
    '-o',
    `type=oci,dest=${layout},tar=false`,
  ]);
  return layout;
}

function sharedPlace(): string {
  const shared = tempDir();
  chmodSync(shared, 0o755);
  return shared;
}

async function pull(made: UserMachine, layout: string): Promise<void> {
  const pulled = await wiacAs(made, ['pull', '-t', 'base', `oci-layout://${layout}`]);
  expect(pulled).toMatchObject({ exitCode: 0 });
}

test('what wiac plan reads of an image is what a build reads', async () => {
  const shared = sharedPlace();
  const made = getMachine('ordinary');
  const steps = ['RUN echo text >/file', 'RUN mkdir /empty'];
  const ofRoot = await imageOf(shared, 'one', ...steps);
  const again = await imageOf(shared, 'two', ...steps, 'LABEL other=config');
  // To who asks outside of the namespace, root's files look like these.
  const owned = await imageOf(
    shared,
    'three',
    ...steps,
    CHOWN(`${ORDINARY_UID}:${ORDINARY_UID}`, '/ /bin /bin/* /file /empty'),
  );
  const root = sharedPlace();
  writeTree(root, { Dockerfile: 'FROM base\nRUN /bin/busybox stat -c %u /file\n' });
  await pull(made, ofRoot);
  expect(await stepOutput(made, root, [])).toEqual(['0']);
  await pull(made, again);
  for (const command of ['plan', 'why'])
    expect(await wiacAs(made, [command, root])).toMatchObject({ exitCode: 0 });
  await pull(made, owned);
  expect(await stepOutput(made, root, [])).toEqual([String(ORDINARY_UID)]);
  expect(await wiacAs(made, ['cache', 'verify'])).toMatchObject({ exitCode: 0 });
});

test('where there is no user namespace, no layer is read', async () => {
  const shared = sharedPlace();
  const made = getMachine('ordinary');
  const root = sharedPlace();
  writeTree(root, { Dockerfile: 'FROM base\nRUN /bin/busybox stat -c %u /file\n' });
  await pull(made, await imageOf(shared, 'one', 'RUN echo text >/file'));
  await stepOutput(made, root, []);
  await pull(made, await imageOf(shared, 'two', 'RUN echo text >/file', 'LABEL other=config'));
  // Without unshare(1) none is made.
  const status = async (before: string) =>
    /^s2 +(\S+)/m.exec((await wiacAs(made, ['plan', root], before)).stdout)?.[1];
  expect(await status('PATH=/nowhere')).toBe('miss?');
  expect(await status(':')).toBe('hit');
});

test('the cache is looked into with the owners that images have', async () => {
  const shared = sharedPlace();
  const made = getMachine('ordinary');
  const steps = ['RUN echo text >/file', 'RUN mkdir -m 0700 /closed', CHOWN('5:6', '/closed')];
  await pull(made, await imageOf(shared, 'image', ...steps));
  const found = await wiacAs(made, ['cache', 'find', '--format=json', '/*']);
  expect(found).toMatchObject({ exitCode: 0 });
  const owners = (JSON.parse(found.stdout) as { path: string; uid: number; gid: number }[]).map(
    ({ path, uid, gid }) => [path, uid, gid],
  );
  expect(owners).toEqual(
    expect.arrayContaining([
      ['/file', 0, 0],
      ['/closed', 5, 6],
    ]),
  );
  expect(await wiacAs(made, ['cache', 'verify'])).toMatchObject({ exitCode: 0 });
});

test('a device is shown as one', async () => {
  const made = getMachine('ordinary');
  const root = context({
    Dockerfile: dockerfile('ADD devices.tar /', 'RUN chmod 0600 /nodes/null; echo >/nodes/new'),
  });
  const tree = tempDir();
  const make =
    'mkdir nodes; mknod -m 0640 nodes/null c 1 3; chown 5:6 nodes/null; tar -cf "$1" nodes';
  execFileSync('sh', ['-ec', make, 'sh', join(root, 'devices.tar')], { cwd: tree });
  expect(readFileSync(join(root, 'devices.tar')).length).toBeGreaterThan(0);
  await stepOutput(made, root, []);
  const [key = ''] = (await wiacAs(made, ['cache', 'ls', '-q', '--filter', 'ADD'])).stdout.split(
    '\n',
  );
  expect((await wiacAs(made, ['cache', 'show', key])).stdout).toMatch(
    /^c0640 +5:6 +0 +nodes\/null$/m,
  );
  const { stdout } = await wiacAs(made, ['diff', root, 'RUN chmod']);
  expect(stdout.split('\n')).toContain('C  -    /nodes/null  mode 0640 -> 0600');
});
