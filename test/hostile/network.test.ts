/** What a step reaches of this machine by its network, and what others reach by it. */
import { chmodSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { getMachine, stepOutput, type UserMachine, wiacAs } from '../support/rootless.js';
import { context, dockerfile, printed, processesWith, tempDir, WIAC } from '../support/wiac.js';

/** One of no network (RFC 5737), which this machine has for as long as these tests run. */
const ADDRESS = '198.51.100.77';
const ABSTRACT = `wiac-test-${process.pid}`;

let servers: Server[];
let port: number;

beforeAll(async () => {
  await execa('ip', ['address', 'add', `${ADDRESS}/32`, 'dev', 'lo'], { reject: false });
  const start = (listen: (server: Server, ready: () => void) => void) =>
    new Promise<Server>((resume) => {
      const server = createServer((socket) => socket.on('error', () => {}).end('reached\n'));
      listen(server, () => resume(server));
    });
  const first = await start((server, ready) => server.listen(0, '127.0.0.1', ready));
  port = (first.address() as { port: number }).port;
  const second = await start((server, ready) => server.listen(port, ADDRESS, ready));
  const abstract = await start((server, ready) => server.listen(`\0${ABSTRACT}`, ready));
  servers = [first, second, abstract];
});

afterAll(async () => {
  for (const server of servers) server.close();
  await execa('ip', ['address', 'delete', `${ADDRESS}/32`, 'dev', 'lo']);
});

/** Everybody may use /dev/net/tun where udev made it, and udev is not everywhere. */
async function machineOf(user: 'root' | 'ordinary'): Promise<UserMachine> {
  const made = getMachine(user);
  if (user === 'root') return made;
  const node = join(tempDir(), 'tun');
  await execa('mknod', ['-m', '666', node, 'c', '10', '200']);
  const script = 'mount --bind "$0" /dev/net/tun; exec "$@"';
  return { ...made, command: ['unshare', '--mount', 'sh', '-ec', script, node, ...made.command] };
}

/** A machine on which some programs are as good as not installed. */
function without(made: UserMachine, ...programs: string[]): UserMachine {
  const directory = tempDir();
  chmodSync(directory, 0o755);
  for (const name of programs) {
    writeFileSync(join(directory, name), '#!/bin/sh\nexit 127\n');
    chmodSync(join(directory, name), 0o755);
  }
  return { ...made, env: { ...made.env, PATH: `${directory}:${process.env.PATH}` } };
}

const reach = (address: string) =>
  `echo ${address} $(sleep 0.3 | timeout 5 nc -w 3 ${address} ${port} 2>&1)`;

function script(): string {
  const found = `grep -c @${ABSTRACT} /proc/net/unix`;
  return [reach('127.0.0.1'), reach(ADDRESS), `echo abstract $(${found})`].join('; ');
}

const SHARED = ['127.0.0.1 reached', `${ADDRESS} reached`, 'abstract 1'];
const isPrivate = [
  expect.stringMatching(/^127\.0\.0\.1 .*refused/),
  `${ADDRESS} reached`,
  'abstract 0',
];

describe.each(['root', 'ordinary'] as const)('%s', (user) => {
  test('a network of the host is all of it', async () => {
    const root = context({ Dockerfile: dockerfile(`RUN ${script()}`) });
    expect(await stepOutput(getMachine(user), root, [])).toEqual(SHARED);
  });

  test.each([
    ['pasta', '169.254.1.1', [], []],
    ['slirp4netns', '10.0.2.3', ['pasta'], []],
    ['pasta', '169.254.1.1', [], [user === 'root' ? '--runtime=runc' : '--runtime=crun']],
  ])(
    'a private one leads out, not to what this machine keeps to itself: %s %#',
    async (_, server, hidden, more) => {
      const root = context({
        Dockerfile: dockerfile(
          'ARG HOW',
          `RUN ${script()}`,
          `RUN --network=host ${script()}`,
          'RUN --network=none /bin/busybox ip -o link',
        ),
      });
      const made = without(await machineOf(user), ...hidden);
      const flags = [...more, '--network=private', '--allow=network.host', '-t', 'app'];
      const lines = await stepOutput(made, root, flags);
      expect(lines.slice(0, 6)).toEqual([...isPrivate, ...SHARED]);
      expect(lines.slice(6)).toEqual([expect.stringMatching(/^1: lo:/)]);
      const run = ['run', ...more, '--network=private', 'app', '/bin/sh', '-c'];
      const { stdout } = await wiacAs(made, [...run, `${script()}; head -n 1 /etc/resolv.conf`]);
      expect(stdout.split('\n')).toEqual([...isPrivate, `nameserver ${server}`]);
    },
  );

  test('without a network, nothing in /sys tells of the interfaces of this machine', async () => {
    const words = 'ls /sys/class/net';
    const root = context({ Dockerfile: dockerfile(`RUN --network=none ${words}`) });
    const made = getMachine(user);
    expect(await stepOutput(made, root, ['-t', 'app'])).toEqual(['lo']);
    const run = ['run', '--network=none', 'app', '/bin/sh', '-c', words];
    expect(await wiacAs(made, run)).toMatchObject({ exitCode: 0, stdout: 'lo' });
    // As in a container: the kernel makes no sysfs then, lest it shows what is hidden.
    const script = 'mount -t tmpfs none /sys/firmware; exec "$@"';
    const masked = {
      ...made,
      command: ['unshare', '--mount', 'sh', '-ec', script, 'sh', ...made.command],
    };
    expect(await wiacAs(masked, run)).toMatchObject({ exitCode: 0, stderr: '' });
  });

  test('nothing is left of a private one after kill -9', async () => {
    for (const hidden of [[], ['pasta']]) {
      const made = without(await machineOf(user), ...hidden);
      const root = context({ Dockerfile: dockerfile('RUN echo ready; exec sleep 100') });
      chmodSync(root, 0o755);
      const argv = [process.execPath, WIAC, 'build', '--network=private', '--progress=plain', root];
      const [program = '', ...rest] = [...made.command, ...argv];
      const before = helpers();
      const child = execa(program, rest, { env: made.env, cwd: '/', reject: false });
      await printed(child.stderr, '| ready');
      expect(helpers().length).toBeGreaterThan(before.length);
      child.kill('SIGKILL');
      await child;
      for (let tries = 0; tries < 100 && helpers().length > before.length; tries++)
        await new Promise((resume) => setTimeout(resume, 50));
      expect(helpers()).toEqual(before);
    }
  });
});

/** Processes that keep private networks. */
function helpers(): string[] {
  return ['pasta', 'slirp4netns', 'echo ready; read line'].flatMap((word) => processesWith(word));
}

test('where no program for it is installed, the error says so; it is in no key', async () => {
  const made = getMachine('root');
  const root = context({ Dockerfile: dockerfile('RUN echo done > /file') });
  const path = tempDir();
  const programs = ['/usr/sbin', '/usr/bin'].flatMap((directory) =>
    readdirSync(directory).map((name) => [name, join(directory, name)] as const),
  );
  for (const [name, target] of new Map(programs))
    if (!/^(pasta|slirp4netns)/.test(name)) symlinkSync(target, join(path, name));
  const argv = [WIAC, 'build', '--network=private', root];
  const env = { ...made.env, PATH: path };
  const build = () => execa(process.execPath, argv, { env, reject: false });
  const refused = await build();
  expect(refused.exitCode).not.toBe(0);
  expect(refused.stderr).toContain('--network=private needs pasta or slirp4netns');
  await stepOutput(made, root, []);
  expect((await build()).exitCode).toBe(0);
});

test.each([
  [['run', '--publish=80:80', 'app'], 'with --network=private no port can be reached'],
  [['build', '--add-host=me:host-gateway', '.'], 'a private network does not lead to this machine'],
])('refused: %j', async ([command = '', ...flags], message) => {
  const argv = [WIAC, command, '--network=private', ...flags];
  const { env } = getMachine('root');
  const { stderr } = await execa(process.execPath, argv, { env, reject: false });
  expect(stderr).toContain(message);
});
