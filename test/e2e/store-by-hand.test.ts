/** A store that somebody has changed by hand: it goes on with what is left. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { context, dockerfile, machine, ranSteps } from '../support/wiac.js';

const text = dockerfile('RUN echo one > /one', 'RUN echo two > /two');

async function built() {
  const made = machine();
  const root = context({ Dockerfile: text });
  await made.build(root, '-t', 'kept');
  const verify = async () => {
    const { exitCode, stderr } = await made.wiac(['cache', 'verify']);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  };
  return { ...made, context: root, store: made.root, verify };
}

test.each(['{}', '[]', '{"written":{"at":1,"boot":"x"},"record":{"key":1}}', 'no JSON'])(
  'a record that is %s is as good as none, the others are kept',
  async (content) => {
    const { store, build, verify, wiac, context: root } = await built();
    const entries = join(store, 'records/entries');
    const [first = ''] = readdirSync(entries);
    writeFileSync(join(entries, first), content);
    rmSync(join(store, 'index'), { recursive: true });
    const { events } = await build(root);
    expect(ranSteps(events).length).toBeLessThanOrEqual(1);
    await verify();
    expect((await wiac(['images', '-q'])).stdout.trim().split('\n')).toHaveLength(1);
  },
);

test.each(['l', 'tmp', 'live', 'mounts'])('%s/ is made again when it is gone', async (folder) => {
  const { store, build, verify, context: root } = await built();
  rmSync(join(store, folder), { recursive: true });
  const { events, lowerdirs } = await build(root);
  expect(ranSteps(events)).toEqual([]);
  for (const directory of lowerdirs.split(':')) expect(readdirSync(directory).length).toBe(1);
  await verify();
});

test.each([
  ['the index is a file', (index: string) => writeFileSync(index, '')],
  [
    'its data is a directory',
    (index: string) => mkdirSync(join(index, 'data.mdb'), { recursive: true }),
  ],
])('%s: it is made again', async (_what, spoil) => {
  const { store, build, verify, context: root } = await built();
  rmSync(join(store, 'index'), { recursive: true });
  spoil(join(store, 'index'));
  expect(ranSteps((await build(root)).events)).toEqual([]);
  await verify();
});
