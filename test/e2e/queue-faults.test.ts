/** What a queue bears: workers, coordinators and Redis that end in the middle of a step. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { makeAuthority, makeCertificate } from '../support/certificates.js';
import type { Fleet } from '../support/fleet.js';
import { startBuild, startFleet, until } from '../support/fleet.js';
import { startRedis, startWorker } from '../support/redis.js';
import { freePort, startRegistry } from '../support/registry.js';
import { context, dockerfile, getOutput, machine, mountsBelow, tempDir } from '../support/wiac.js';

/** ms */
const PATIENCE = 60_000;

let fleet: Fleet;

beforeEach(async () => {
  fleet = await startFleet();
});

afterEach(() => fleet.stop());

const oneStep = (step: string) => context({ Dockerfile: dockerfile(`RUN ${step}`) });

/** A command that goes on when `go` is in Redis. */
function waiting(): string {
  const ask = `printf 'GET go\\r\\nQUIT\\r\\n' | /bin/busybox nc 127.0.0.1 ${fleet.redis.port}`;
  return `until ${ask} | grep yes > /dev/null; do /bin/busybox usleep 50000; done`;
}

/** The definition key of a project's last step. */
async function lastKey(project: string): Promise<string> {
  const on = machine();
  await on.build(project);
  const { stdout } = await on.wiac(['plan', '--format', 'json', project]);
  return JSON.parse(stdout).steps.at(-1).key;
}

test(
  'without a worker the build fails with an exit code of its own, or runs here',
  async () => {
    const project = oneStep('echo out');
    const failed = await fleet.tryBuild(project);
    expect(failed.exitCode).toBe(17);
    expect(failed.stderr).toMatch(
      /wiac: no worker for linux\/\S+ is in the queue\nhint: start one/,
    );
    const here = await fleet.build(project, machine(), '--queue-fallback=local');
    expect(getOutput(here.events)).toEqual(['out']);
    expect(here.events).toContainEqual({
      type: 'warning',
      message: 'the queue has no worker of this version: the steps run on this machine',
    });
    const withoutCache = await machine().wiac(['build', '--queue', fleet.redis.url, project]);
    expect(withoutCache).toMatchObject({ exitCode: 2 });
    expect(withoutCache.stderr).toContain('--queue needs --cache: layers travel through it');
    for (const flag of ['--watch', '--debug'])
      expect((await fleet.tryBuild(project, flag)).stderr).toContain(
        '--queue goes neither with --watch nor with --debug',
      );
    const nowhere = ['--queue', 'redis://127.0.0.1:1/0', '--cache', fleet.cache];
    const unreached = await machine().wiac(['build', ...nowhere, oneStep('echo other')]);
    expect(unreached.exitCode).toBe(17);
    expect(unreached.stderr).toContain(
      "the queue redis://127.0.0.1:1/0 can't be used: connect ECONNREFUSED",
    );
  },
  PATIENCE,
);

test(
  'a worker that is told to end finishes its step',
  async () => {
    const anna = await fleet.work('anna');
    const build = startBuild(
      fleet,
      oneStep('echo begun; sleep 1; echo ended'),
      join(tempDir(), 's'),
    );
    await build.printed('| begun');
    await anna.kill('SIGTERM');
    const { code, stderr } = await build.ended;
    expect(code === 0 ? '' : stderr).toBe('');
    expect(stderr).toContain('ended');
    expect(await fleet.redis.client.keys('wiac:worker*')).toEqual([]);
  },
  PATIENCE,
);

test(
  'a worker without time for that gives its step back, and another one takes it',
  async () => {
    const anna = await fleet.work('anna', '--grace', '0');
    const project = oneStep(`echo begun; ${waiting()}`);
    const build = startBuild(fleet, project, join(tempDir(), 's'));
    await build.printed('| begun');
    await fleet.work('ben');
    await anna.kill('SIGTERM');
    await fleet.redis.client.set('go', 'yes');
    expect(mountsBelow(anna.root)).toEqual([]);
    const { code, stderr } = await build.ended;
    expect(code === 0 ? '' : stderr).toBe('');
    expect(stderr).toMatch(/on anna\n[\s\S]*on ben\n/);
  },
  PATIENCE,
);

test(
  'a step whose worker is killed is taken over by another one, three times at most',
  async () => {
    const anna = await fleet.work('anna');
    const project = oneStep(`echo begun; ${waiting()}; echo ended > /made`);
    const build = startBuild(fleet, project, join(tempDir(), 's'));
    await build.printed('| begun');
    await fleet.work('ben');
    await anna.kill('SIGKILL');
    await fleet.redis.client.set('go', 'yes');
    const { code, stderr } = await build.ended;
    expect(code === 0 ? '' : stderr).toBe('');
    expect(stderr).toMatch(/on anna\n[\s\S]*on ben\n/);
    // It came to its end, which makes up for what was before.
    expect(await fleet.redis.client.keys('wiac:starts:*')).toEqual([]);
    const poisoned = oneStep('echo poisoned');
    await fleet.redis.client.set(`wiac:starts:${await lastKey(poisoned)}`, 3);
    const given = await fleet.tryBuild(poisoned);
    expect(given.exitCode).toBe(17);
    expect(given.stderr).toContain(
      'wiac: given up: 3 workers have begun it, and none has come to its end (on ben)',
    );
    // Who has mended it may try again.
    expect((await fleet.tryBuild(poisoned)).exitCode).toBe(0);
  },
  PATIENCE,
);

test(
  'a coordinator that is killed finds what was done meanwhile',
  async () => {
    await fleet.work('anna');
    const steps = ['RUN echo begun; sleep 1; cat /proc/sys/kernel/random/uuid', 'RUN echo second'];
    const project = context({ Dockerfile: dockerfile(...steps) });
    const root = join(tempDir(), 's');
    const killed = startBuild(fleet, project, root);
    await killed.printed('| begun');
    await killed.kill('SIGKILL');
    const again = startBuild(fleet, project, root);
    const { code, stderr } = await again.ended;
    expect(code === 0 ? '' : stderr).toBe('');
    const [worker] = await Promise.all([fleet.redis.client.keys('wiac:worker:*')]);
    const { done } = JSON.parse((await fleet.redis.client.get(worker[0] ?? '')) ?? '');
    expect(done).toBe(2);
    expect(stderr).toContain('begun');
  },
  PATIENCE,
);

test(
  'Ctrl-C of the only build that waits for a step ends it on its worker',
  async () => {
    const anna = await fleet.work('anna');
    const build = startBuild(fleet, oneStep('echo begun; sleep 1000'), join(tempDir(), 's'));
    await build.printed('| begun');
    await build.kill('SIGINT');
    expect((await build.ended).code).toBe(130);
    await until(async () => (await fleet.redis.client.keys('wiac:lease:*')).length === 0);
    expect(mountsBelow(anna.root)).toEqual([]);
  },
  PATIENCE,
);

test(
  'Redis may lose everything in the middle of a step',
  async () => {
    await fleet.work('anna');
    const project = context({
      Dockerfile: dockerfile('RUN echo begun; sleep 1; echo 1 > /1', 'RUN echo 2; echo 2 > /2'),
    });
    const build = startBuild(fleet, project, join(tempDir(), 's'));
    await build.printed('| begun');
    await fleet.redis.restart();
    const { code, stderr } = await build.ended;
    expect(code === 0 ? '' : stderr).toBe('');
  },
  PATIENCE,
);

test(
  'a worker in trouble of its own gives its step back, and another one takes it',
  async () => {
    const anna = await fleet.work('anna', '--cache', '127.0.0.1:1/none', '--retry', '0');
    const project = oneStep('echo out');
    const build = startBuild(fleet, project, join(tempDir(), 's'));
    await until(() => anna.log().includes('gives its step back'), anna.log);
    await fleet.work('ben');
    const { code, stderr } = await build.ended;
    expect(code === 0 ? '' : stderr).toBe('');
    expect(stderr).toMatch(/on anna\n[\s\S]*\| anna: .*127\.0\.0\.1:1[\s\S]*on ben\n/);
  },
  PATIENCE,
);

test(
  'the registry may be away for some seconds',
  async () => {
    const anna = await fleet.work('anna');
    const project = oneStep('echo begun; sleep 1; echo ended > /made');
    const build = startBuild(fleet, project, join(tempDir(), 's'));
    await build.printed('| begun');
    await fleet.registry.stop();
    await new Promise((resume) => setTimeout(resume, 3000));
    const registry = await startRegistry(fleet.registry);
    const { code, stderr } = await build.ended;
    expect(code === 0 ? '' : stderr).toBe('');
    expect(anna.log()).not.toContain('gives its step back');
    await anna.kill('SIGTERM');
    await registry.stop();
  },
  PATIENCE,
);

test(
  'Redis may want TLS, and a user who may do little else',
  async () => {
    const directory = tempDir();
    const authority = await makeAuthority(directory);
    const { certificate, key } = await makeCertificate(directory, 'redis');
    const port = await freePort();
    const tls = ['--tls-port', `${port}`, '--tls-ca-cert-file', authority];
    const own = ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-auth-clients', 'no'];
    // As docs/queue.md has it.
    const [, rule = ''] = /^user wiac (.*)$/m.exec(readFileSync('docs/queue.md', 'utf8')) ?? [];
    const user = ['--user', 'wiac', ...rule.replace('PASSWORD', 'word').split(' ')];
    const redis = await startRedis(['--save', '', ...tls, ...own, ...user]);
    const env = { NODE_EXTRA_CA_CERTS: authority };
    const url = `rediss://wiac:word@127.0.0.1:${port}/0`;
    const worker = await startWorker('anna', url, fleet.cache, [], env);
    try {
      const on = machine();
      const flags = ['--queue', url, '--cache', fleet.cache];
      const project = oneStep('echo out > /made');
      const built = await on.wiac(['build', '--progress=plain', ...flags, project], { env });
      expect(built.exitCode === 0 ? '' : built.stderr).toBe('');
      expect(built.stderr).toContain('on anna');
      const listed = await on.wiac(['workers', '--queue', url], { env });
      expect(listed.stdout).toContain('anna');
      const untrusted = await on.wiac(['workers', '--queue', url]);
      expect(untrusted.exitCode).toBe(17);
      const wrong = url.replace('word', 'guess');
      const refused = await on.wiac(['workers', '--queue', wrong], { env });
      expect(refused.exitCode).toBe(17);
      expect(refused.stderr).toMatch(/can't be used: WRONGPASS/);
      expect(refused.stderr + untrusted.stderr).not.toMatch(/guess|word@/);
    } finally {
      await worker.kill('SIGTERM');
      await redis.stop();
    }
  },
  PATIENCE,
);

test(
  'a Redis that removes keys to have room loses no step that waits',
  async () => {
    await fleet.work('anna', '-j', '1');
    const first = startBuild(fleet, oneStep(`echo begun; ${waiting()}`), join(tempDir(), 's'));
    await first.printed('| begun');
    const second = startBuild(fleet, oneStep('echo second'), join(tempDir(), 's'));
    const { client } = fleet.redis;
    const lists = () => client.keys('wiac:queue:*:wait');
    await until(async () => (await lists()).length > 0);
    await client.del(...(await lists()));
    await client.set('go', 'yes');
    for (const { ended } of [first, second]) {
      const { code, stderr } = await ended;
      expect(code === 0 ? '' : stderr).toBe('');
    }
  },
  PATIENCE,
);
