/** What others may put into a queue: other versions of wiac, and whoever reaches Redis and means no good. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Queue } from 'bullmq';
import type { ChainJob } from '../../src/executor/queue/queue-protocol.js';
import { OWN_VERSION, queueName } from '../../src/executor/queue/queue-protocol.js';
import { formatPlatform, hostPlatform } from '../../src/oci/platform.js';
import type { Fleet } from '../support/fleet.js';
import { startBuild, startFleet, until } from '../support/fleet.js';
import { describeLayers } from '../support/tree.js';
import { context, dockerfile, getOutput, machine, tempDir } from '../support/wiac.js';

/** ms */
const PATIENCE = 60_000;

const platform = formatPlatform(hostPlatform());

let fleet: Fleet;
let queue: Queue;

beforeEach(async () => {
  fleet = await startFleet();
  const connection = { port: fleet.redis.port };
  queue = new Queue(queueName(platform), { connection, prefix: 'wiac:queue' });
});

afterEach(async () => {
  await queue.close();
  await fleet.stop();
});

/** A worker for the eyes of builds, which takes nothing. */
async function announceNobody(): Promise<void> {
  const { client } = fleet.redis;
  const said = { ...OWN_VERSION, id: 'x', name: 'nobody', platforms: [platform], labels: [] };
  const there = JSON.stringify({ ...said, slots: 1, running: [], done: 0 });
  await client.set('wiac:worker:x', there, 'PX', 3000);
  await client.sadd('wiac:workers', 'x');
}

/** A job as a build puts it there, read back before a worker is there to take it. */
async function honestJob(project: string): Promise<ChainJob> {
  await announceNobody();
  const building = startBuild(fleet, project, join(tempDir(), 'store'));
  let job: ChainJob | undefined;
  await until(async () => {
    const [waiting] = await queue.getWaiting();
    if (waiting) job = JSON.parse(waiting.data);
    return job !== undefined;
  });
  await building.kill('SIGINT');
  await queue.obliterate();
  if (!job) throw new Error('no job');
  return job;
}

test(
  'a worker of another version takes nothing, and both versions are named',
  async () => {
    const said = { protocol: 0, wiac: '0.0.9', id: 'old', name: 'old-one', more: true };
    await fleet.redis.client.sadd('wiac:workers', 'old');
    await fleet.redis.client.set('wiac:worker:old', JSON.stringify(said), 'EX', 60);
    const refused = await fleet.tryBuild(context({ Dockerfile: dockerfile('RUN true') }));
    expect(refused.exitCode).toBe(17);
    const { protocol, wiac } = OWN_VERSION;
    expect(refused.stderr).toContain(
      `no worker of wiac ${wiac} (protocol ${protocol}) is in the queue: old-one is wiac 0.0.9 (protocol 0)`,
    );
    const anna = await fleet.work('anna');
    await queue.add('chain', JSON.stringify({ protocol: 0, wiac: '0.0.9', steps: [] }));
    const words = `a job of wiac 0.0.9 (protocol 0) is none for wiac ${wiac} (protocol ${protocol})`;
    await until(() => anna.log().includes(words), anna.log);
    const { stdout } = await machine().wiac(['workers', '--queue', fleet.redis.url]);
    expect(stdout).toContain('old-one is of wiac 0.0.9: it takes no steps');
  },
  PATIENCE,
);

test(
  'what is no job, or no honest one, is refused, and the worker goes on',
  async () => {
    const project = context({ Dockerfile: dockerfile('RUN echo out') });
    const honest = await honestJob(project);
    const [sent] = honest.steps;
    if (sent?.step.kind !== 'run') throw new Error('no RUN');
    const outside = tempDir();
    const volumes = [{ source: outside, target: '/host', readOnly: false, discard: false }];
    const changed = (step: object, rest: object = {}) => ({
      ...honest,
      steps: [{ ...sent, ...rest, step: { ...sent.step, ...step } }],
    });
    const { resources } = sent.step;
    const jobs: [unknown, string][] = [
      ['{', 'no JSON'],
      [JSON.stringify({ ...OWN_VERSION }), 'base is not as it should be'],
      [changed({ argv: ['/bin/sh', '-c', 'echo other'] }), 'contradicts its key'],
      [changed({ resources: { ...resources, volumes } }), 'step.resources.volumes'],
      [changed({ security: 'insecure' }), 'step.security is not'],
      [changed({ network: 'host' }), 'step.network is not'],
      [changed({ mounts: [{ type: 'ssh', id: 'x' }] }), 'step.mounts.0.type'],
      [changed({}, { key: '../../etc' }), 'steps.0.key is not'],
      [{ ...honest, base: [{ diffId: '../x' }] }, 'base.0.diffId is not'],
      [changed({ text: 'x'.repeat(2_000_000) }), 'step.text is not'],
    ];
    const anna = await fleet.work('anna');
    for (const [job, words] of jobs) {
      const before = anna.log().length;
      await queue.add('chain', typeof job === 'string' ? job : JSON.stringify(job));
      await until(() => anna.log().slice(before).includes('refuses a job'), anna.log);
      expect(anna.log().slice(before)).toContain(words);
    }
    expect(existsSync(join(outside, 'host'))).toBe(false);
    const { events } = await fleet.build(project);
    expect(getOutput(events)).toEqual(['out']);
  },
  PATIENCE,
);

test(
  'a layer that is not what a stream says is never used',
  async () => {
    await fleet.work('anna');
    const project = context({ Dockerfile: dockerfile('RUN echo right > /made') });
    const here = await machine().build(project);
    await fleet.build(project);
    const { client } = fleet.redis;
    const [stream = ''] = await client.keys('wiac:step:*');
    const [last] = await client.xrevrange(stream, '+', '-', 'COUNT', 1);
    const message = JSON.parse(last?.[1][1] ?? '');
    // The blob is there, and it is another layer's.
    message.outcome.layer.diffId = `sha256:${'0'.repeat(64)}`;
    await client.del(stream);
    await client.xadd(stream, '*', 'm', '{"type":"started","worker":"eve"}');
    await client.xadd(stream, '*', 'm', JSON.stringify(message));
    const own = machine();
    const flags = ['--queue', fleet.redis.url, '--cache', `${fleet.registry.host}/cache:other`];
    const { lowerdirs, events } = await own.build(project, ...flags);
    expect(await describeLayers(lowerdirs)).toEqual(await describeLayers(here.lowerdirs));
    expect(events.filter(({ type }) => type === 'warning')).toMatchObject([
      { message: expect.stringMatching(/diffID .*: the step that made it runs again$/) },
    ]);
    await client.xadd(stream, '*', 'm', '{"type":"done","outcome":{"layer":"../../x"}}');
    const failed = await fleet.tryBuild(project, '--no-cache');
    expect(failed.exitCode).toBe(17);
    expect(failed.stderr).toContain("a step's event in the queue is none");
  },
  PATIENCE,
);

test(
  'a job that Redis has lost is sent again',
  async () => {
    await announceNobody();
    const project = context({ Dockerfile: dockerfile('RUN echo out') });
    const build = startBuild(fleet, project, join(tempDir(), 'store'));
    await until(async () => (await queue.getWaitingCount()) > 0, build.said);
    await queue.obliterate();
    await fleet.work('anna');
    const { code, stderr } = await build.ended;
    expect(code === 0 ? '' : stderr).toBe('');
    expect(stderr).toContain(' on anna\n');
  },
  PATIENCE,
);

test(
  'a worker that pushes to another cache is no endless loop',
  async () => {
    await fleet.work('anna', '--cache', `${fleet.registry.host}/elsewhere`);
    const project = context({ Dockerfile: dockerfile('RUN date > /made') });
    // What the step stands on is in both.
    const there = `type=registry,ref=${fleet.registry.host}/elsewhere,mode=max`;
    await machine().build(project, '--cache-to', there);
    const failed = await fleet.tryBuild(project, '--no-cache');
    expect(failed.exitCode).toBe(17);
    expect(failed.stderr).toContain('wiac: the layer of a step is lost again and again');
  },
  PATIENCE,
);

test(
  'a worker that is given a chain and does not begin with it loses it',
  async () => {
    const project = context({ Dockerfile: dockerfile('RUN echo out') });
    const [layer] = (await honestJob(project)).base;
    await fleet.work('anna');
    // It says that it has all that is needed, and room; and then nothing.
    const { client } = fleet.redis;
    const said = { ...OWN_VERSION, id: 'eve', name: 'eve', platforms: [platform], labels: [] };
    const announcement = JSON.stringify({ ...said, slots: 9, running: [], done: 0 });
    await client.set('wiac:worker:eve', announcement, 'EX', 60);
    await client.sadd('wiac:workers', 'eve');
    await client.sadd(`wiac:holders:${layer?.diffId}`, 'eve');
    const build = startBuild(fleet, project, join(tempDir(), 'store'));
    await until(async () => (await client.keys('wiac:queue:*-at-eve:wait')).length > 0, build.said);
    const { code, stderr } = await build.ended;
    expect(code === 0 ? '' : stderr).toBe('');
    expect(stderr).toContain(' on anna\n');
    // Once it is gone, so is its queue.
    await client.del('wiac:worker:eve');
    await fleet.build(context({ Dockerfile: dockerfile('RUN echo more') }));
    await until(async () => (await client.keys('wiac:queue:*-at-eve:*')).length === 0);
  },
  PATIENCE,
);
