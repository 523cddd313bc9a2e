/** Keys of builds and of workers: who works for whom, and whose results count. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Queue } from 'bullmq';
import { execa } from 'execa';
import type { Fleet } from '../support/fleet.js';
import { startBuild, startFleet, until } from '../support/fleet.js';
import { context, dockerfile, getOutput, machine, tempDir } from '../support/wiac.js';

/** ms */
const PATIENCE = 60_000;

let fleet: Fleet;

beforeEach(async () => {
  fleet = await startFleet();
});

afterEach(() => fleet.stop());

/** The two halves of a key. */
async function makeKey(): Promise<{ readonly own: string; readonly shown: string }> {
  const own = join(tempDir(), 'a key, of ours');
  const shown = `${own}.pub`;
  await execa('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', own]);
  await execa('openssl', ['pkey', '-in', own, '-pubout', '-out', shown]);
  return { own, shown };
}

const oneStep = (step: string) => context({ Dockerfile: dockerfile(`RUN ${step}`) });

test(
  'a worker works only for builds whose key it knows',
  async () => {
    const [ours, others] = [await makeKey(), await makeKey()];
    await fleet.work('anna', '--trust-key', others.shown, '--trust-key', ours.shown);
    const project = oneStep('echo out');
    const unsigned = await fleet.tryBuild(project);
    expect(unsigned.exitCode).toBe(17);
    expect(unsigned.stderr).toContain(
      'wiac: anna: takes only builds that are signed with a key it trusts (--trust-key)\nhint: sign this one',
    );
    const foreign = await fleet.tryBuild(project, '--sign-key', (await makeKey()).own);
    expect(foreign.exitCode).toBe(17);
    expect(foreign.stderr).toContain('that trusts the key of this build (--sign-key)');
    const signed = ['--sign-key', ours.own];
    const { events } = await fleet.build(project, machine(), ...signed);
    expect(getOutput(events)).toEqual(['out']);
    expect(events).toContainEqual(expect.objectContaining({ type: 'placed', worker: 'anna' }));
    // The entries are signed as well.
    const trusting = ['--cache-from', `type=registry,ref=${fleet.cache},"trust-key=${ours.shown}"`];
    const there = await machine().build(project, ...trusting);
    expect(there.events.filter(({ type }) => type === 'started' || type === 'warning')).toEqual([]);
    const distrusting = trusting.map((flag) => flag.replace(ours.shown, others.shown));
    const not = await machine().build(project, ...distrusting);
    expect(not.events.filter(({ type }) => type === 'warning')).toHaveLength(1);
  },
  PATIENCE,
);

test(
  'a job whose signature is gone, or of another one, is refused, and its build hears of it',
  async () => {
    const ours = await makeKey();
    const flags = ['--trust-key', ours.shown];
    const { client, port } = fleet.redis;
    const anna = await fleet.work('anna', ...flags);
    const [there = ''] = await client.keys('wiac:worker:*');
    const said = JSON.parse((await client.get(there)) ?? '');
    await anna.kill('SIGTERM');
    // For the eyes of the build: it takes nothing.
    await client.set('wiac:worker:x', JSON.stringify({ ...said, id: 'x' }), 'EX', 60);
    await client.sadd('wiac:workers', 'x');
    const root = oneStep('echo second');
    const waits = startBuild(fleet, root, join(tempDir(), 's'), '--sign-key', ours.own);
    const sent = async () =>
      (await client.keys('wiac:queue:*')).find((key) => /:[0-9a-f]{64}$/.test(key));
    await until(async () => (await sent()) !== undefined, waits.said);
    const [, name = '', id = ''] =
      /^wiac:queue:([^:]+):([0-9a-f]+)$/.exec((await sent()) ?? '') ?? [];
    const data = JSON.parse((await client.hget(`wiac:queue:${name}:${id}`, 'data')) ?? '');
    const [text = '', signature = ''] = data.split('\n');
    const queue = new Queue(name, { connection: { port }, prefix: 'wiac:queue' });
    try {
      await queue.remove(id);
      await queue.add('chain', text, { jobId: id });
      const ben = await fleet.work('ben', ...flags);
      const { code, stderr } = await waits.ended;
      expect(code).toBe(17);
      expect(stderr).toContain(
        'wiac: the job is not signed with a key that this worker trusts (--trust-key) (on ben)',
      );
      const before = ben.log().length;
      await queue.add('chain', `${text.replace('echo second', 'echo other!')}\n${signature}`);
      await until(() => ben.log().slice(before).includes('refuses a job: the job is not signed'));
      expect(ben.log()).not.toContain('runs RUN');
    } finally {
      await waits.kill('SIGKILL');
      await queue.close();
    }
  },
  PATIENCE,
);

test(
  'only what trusted workers have signed counts',
  async () => {
    const [ours, others] = [await makeKey(), await makeKey()];
    const project = oneStep('echo out > /made; echo made');
    const trusting = ['--worker-key', ours.shown];
    // It has no key, and its result is there first.
    await fleet.work('eve');
    await fleet.build(project);
    const without = await fleet.tryBuild(project, ...trusting, '--no-cache');
    expect(without.exitCode).toBe(17);
    expect(without.stderr).toContain('that has the key of --worker-key');
    await fleet.work('fay', '--key', others.own);
    await fleet.work('anna', '--key', ours.own);
    // Nothing of it is in this cache.
    const elsewhere = ['--cache', `${fleet.registry.host}/cache:other`, ...trusting];
    const own = machine();
    const { events } = await own.build(project, '--queue', fleet.redis.url, ...elsewhere);
    const placed = events.filter(({ type }) => type === 'placed').map(({ worker }) => worker);
    expect(placed.at(-1)).toBe('anna');
    // A signature of the same step that is another outcome's.
    const { client } = fleet.redis;
    const [stream = ''] = await client.keys('wiac:step:*');
    const [last] = await client.xrevrange(stream, '+', '-', 'COUNT', 1);
    const message = JSON.parse(last?.[1][1] ?? '');
    expect(message).toMatchObject({ worker: 'anna', signature: expect.any(String) });
    message.outcome.measures.files += 1;
    await client.del(stream);
    await client.xadd(stream, '*', 'm', '{"type":"started","worker":"eve"}');
    await client.xadd(stream, '*', 'm', JSON.stringify({ ...message, worker: 'eve' }));
    const again = await machine().build(
      project,
      '--queue',
      fleet.redis.url,
      ...elsewhere,
      '--cache',
      `${fleet.registry.host}/cache:third`,
    );
    expect(again.events.filter(({ type }) => type === 'placed')).toMatchObject([
      { worker: 'anna' },
    ]);
    expect(existsSync(join(again.lowerdirs.split(':')[0] ?? '', 'made'))).toBe(true);
  },
  PATIENCE,
);
