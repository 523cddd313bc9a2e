/** Secrets of steps that workers run: sealed for one worker and one step, and never in clear in Redis. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { Fleet } from '../support/fleet.js';
import { startBuild, startFleet, until } from '../support/fleet.js';
import { context, dockerfile, getOutput, machine, tempDir } from '../support/wiac.js';

/** ms */
const PATIENCE = 60_000;
const WORD = 'hush-7f3a91';

let fleet: Fleet;
let keys: { readonly own: string; readonly shown: string };

beforeEach(async () => {
  // It writes all that it is told to a file.
  fleet = await startFleet(['--appendonly', 'yes', '--appendfsync', 'always', '--save', '']);
  const own = join(tempDir(), 'key');
  const shown = `${own}.pub`;
  await execa('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', own]);
  await execa('openssl', ['pkey', '-in', own, '-pubout', '-out', shown]);
  keys = { own, shown };
});

afterEach(() => fleet.stop());

const project = () =>
  context({
    Dockerfile: dockerfile(
      'RUN --mount=type=secret,id=word test "$(cat /run/secrets/word)" = "$(cat /want)" || cat /run/secrets/word; echo "is $(cat /run/secrets/word)"',
    ).replace('RUN', 'COPY want /want\nRUN'),
    want: WORD,
    word: WORD,
  });

/** Bytes of everything that Redis has, and had. */
async function everything(): Promise<string> {
  const { client, data } = fleet.redis;
  await client.save();
  const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  expect(files.map(({ name }) => name)).toContain('dump.rdb');
  const texts = files.map((file) => readFileSync(join(file.parentPath, file.name), 'latin1'));
  for (const key of await client.keys('*')) texts.push((await client.dump(key)) ?? '');
  return texts.join('\n');
}

test(
  'a step on a worker has its secrets, and Redis never had them',
  async () => {
    await fleet.work('anna', '--key', keys.own);
    const root = project();
    const flags = ['--worker-key', keys.shown, '--secret', `id=word,src=${join(root, 'word')}`];
    const { events } = await fleet.build(root, machine(), ...flags);
    expect(events).toContainEqual(expect.objectContaining({ type: 'placed', worker: 'anna' }));
    // What a program prints goes through Redis without them.
    expect(getOutput(events)).toEqual(['is ***']);
    const all = await everything();
    expect(all).toContain('asks');
    for (const form of [
      WORD,
      Buffer.from(WORD).toString('base64'),
      Buffer.from(WORD).toString('hex'),
    ])
      expect(all.includes(form)).toBe(false);
    expect(await fleet.redis.client.keys('wiac:secret:*')).toEqual([]);
  },
  PATIENCE,
);

test(
  'without the key of the workers the step runs here',
  async () => {
    await fleet.work('anna', '--key', keys.own);
    const root = project();
    const secret = ['--secret', `id=word,src=${join(root, 'word')}`];
    const { events } = await fleet.build(root, machine(), ...secret);
    expect(events.filter(({ type }) => type === 'placed')).toEqual([]);
    expect(getOutput(events)).toEqual([`is ${WORD}`]);
  },
  PATIENCE,
);

test(
  'who asks without the key gets nothing',
  async () => {
    const anna = await fleet.work('anna', '--key', keys.own, '--lost-after', '60');
    const root = project();
    const flags = ['--worker-key', keys.shown, '--secret', `id=word,src=${join(root, 'word')}`];
    // The worker is stopped, so that nobody answers before eve.
    anna.signal('SIGSTOP');
    const build = startBuild(fleet, root, join(tempDir(), 's'), ...flags);
    const { client } = fleet.redis;
    await until(async () => (await client.keys('wiac:step:*')).length > 0, build.said);
    const [stream = ''] = await client.keys('wiac:step:*');
    const request = { key: Buffer.alloc(65, 4).toString('base64'), signature: 'AAAA' };
    await client.xadd(stream, '*', 'm', JSON.stringify({ type: 'asks', worker: 'eve', request }));
    const { code, stderr } = await build.ended;
    anna.signal('SIGCONT');
    expect(code).toBe(17);
    expect(stderr).toContain('a worker without the key of --worker-key has asked for secrets');
    expect(await client.keys('wiac:secret:*')).toEqual([]);
  },
  PATIENCE,
);
