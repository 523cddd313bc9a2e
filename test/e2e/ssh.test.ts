/** --ssh: an agent's socket, and key files for an agent of wiac's own. */
import { chmodSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { readAbout } from '../support/process-facts.js';
import { repository } from '../support/web-server.js';
import type { BuildEvent } from '../support/wiac.js';
import {
  context,
  dockerfile,
  getOutput,
  machine,
  processesWith,
  tempDir,
} from '../support/wiac.js';

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

interface Key {
  readonly file: string;
  /** As ssh-add -l prints it. */
  readonly fingerprint: string;
}

async function makeKey(passphrase = ''): Promise<Key> {
  const file = join(tempDir(), 'key');
  await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-f', file]);
  const { stdout } = await execa('ssh-keygen', ['-lf', file]);
  return { file, fingerprint: /SHA256:\S+/.exec(stdout)?.[0] ?? '' };
}

/** A context with ssh-add, for RUN steps that ask their agent for its keys. */
async function sshContext(...lines: string[]): Promise<string> {
  const root = context({ Dockerfile: dockerfile('COPY tools/diff /', ...lines) });
  const tools = join(root, 'tools');
  await machine().wiac(['copy', '--libs', tools, '/usr/bin/ssh-add', '/usr/bin/ssh-add']);
  return root;
}

function fingerprints(events: readonly BuildEvent[]): string[] {
  return getOutput(events).flatMap((line) => /SHA256:\S+/.exec(line)?.[0] ?? []);
}

/** Agents that builds of this store started. */
function agentsOf(root: string): string[] {
  return processesWith('ssh-agent').filter((pid) =>
    readAbout(pid, 'environ').split('\0').includes(`WIAC_ROOT=${root}`),
  );
}

/** No agent may outlive what it was started for; it may still be ending. */
async function agentsLeft(root: string): Promise<string[]> {
  let found = agentsOf(root);
  for (let tries = 0; tries < 50 && found.length > 0; tries++) {
    await new Promise((resume) => setTimeout(resume, 100));
    found = agentsOf(root);
  }
  return found;
}

/** Directories for sockets of agents in the store; /ssh1 of a step, /ssh-Xyz123 of git. */
function socketsIn(root: string): string[] {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => /^ssh(-\w{6}|\d+)$/.test(basename(name)));
}

/** Nor may a socket of one. */
async function leftOvers(root: string): Promise<string[]> {
  return [...(await agentsLeft(root)), ...socketsIn(root)];
}

test('key files: the step sees their keys, nothing is left', async () => {
  const [one, two] = [await makeKey(), await makeKey()];
  chmodSync(one.file, 0o644);
  const root = await sshContext('RUN --mount=type=ssh /usr/bin/ssh-add -l');
  const made = machine();
  const { events } = await made.build(root, '--ssh', `default=${one.file},${two.file}`);
  expect(fingerprints(events).sort()).toEqual([one.fingerprint, two.fingerprint].sort());
  expect(await leftOvers(made.root)).toEqual([]);
});

test('a step of another user may use the agent that the mount gives to it', async () => {
  const { file, fingerprint } = await makeKey();
  const root = await sshContext(
    'USER 1234',
    'RUN --mount=type=ssh,id=mine,uid=1234,mode=0600 /usr/bin/ssh-add -l && stat -c "%a %u" $SSH_AUTH_SOCK',
  );
  const { events } = await machine().build(root, '--ssh', `mine=${file}`);
  expect(fingerprints(events)).toEqual([fingerprint]);
  expect(getOutput(events)).toContain('600 1234');
});

test('the socket of an agent that runs already', async () => {
  const { file, fingerprint } = await makeKey();
  const socket = join(tempDir(), 'agent');
  const agent = execa('ssh-agent', ['-D', '-a', socket], { reject: false });
  stops.push(() => agent.kill());
  await new Promise((resume) => agent.stdout.once('data', resume));
  await execa('ssh-add', ['-q', file], { env: { SSH_AUTH_SOCK: socket } });
  const root = await sshContext('USER 1234', 'RUN --mount=type=ssh,uid=1234 /usr/bin/ssh-add -l');
  const { events } = await machine().build(root, '--ssh', `default=${socket}`);
  expect(fingerprints(events)).toEqual([fingerprint]);
});

test('keys do not count for the cache', async () => {
  const root = await sshContext('RUN --mount=type=ssh /usr/bin/ssh-add -l > /keys');
  const { build } = machine();
  const first = await build(root, '--ssh', `default=${(await makeKey()).file}`);
  const second = await build(root, '--ssh', `default=${(await makeKey()).file}`);
  expect(second.lowerdirs).toBe(first.lowerdirs);
});

test.each([
  ['a key with a passphrase', () => makeKey('secret').then(({ file }) => file), 'ssh-add FILE'],
  ['a file that is no key', async () => '/etc/hostname', 'ssh-add FILE'],
  ['a file that is not there', async () => '/no/such/key', 'does not exist'],
  ['a directory', async () => '/etc', 'KEYFILE'],
])('%s is refused', async (_, file, message) => {
  const root = await sshContext('RUN --mount=type=ssh true');
  const made = machine();
  const result = await made.wiac(['build', '--ssh', `default=${await file()}`, root]);
  expect(result).toMatchObject({ exitCode: 2, stdout: '' });
  expect(result.stderr).toContain(message);
  expect(await agentsLeft(made.root)).toEqual([]);
});

describe('repositories', () => {
  /**
   * In the place of ssh: it says which keys its agent has, and runs the command here.
   * @param before a line of sh
   */
  function sshHere(before = ''): { readonly keys: string; readonly env: Record<string, string> } {
    const directory = tempDir();
    const [program, keys] = [join(directory, 'ssh'), join(directory, 'keys')];
    const lines = ['#!/bin/sh', `ssh-add -l >> ${keys}`, before, 'shift', 'exec sh -c "$*"', ''];
    writeFileSync(program, lines.join('\n'), { mode: 0o755 });
    return { keys, env: { GIT_SSH: program, GIT_SSH_VARIANT: 'simple', SSH_AUTH_SOCK: '' } };
  }

  async function address(): Promise<string> {
    const { root } = await repository({ Dockerfile: 'FROM scratch\nCOPY file /\n', file: 'x' });
    return `ssh://git@host.invalid${root}/r.git`;
  }

  const ask = (keys: string) => execa('cat', [keys]).then(({ stdout }) => stdout.split('\n'));

  test('ADD, a context, a lock file and questions use the keys of the id default, whatever their mode', async () => {
    const url = await address();
    const { file, fingerprint } = await makeKey();
    chmodSync(file, 0o666);
    const adding = () => context({ Dockerfile: `FROM scratch\nADD ${url} /x\n` });
    const made = machine();
    const build = ['build', '-q', '--no-cache'];
    const commands = [
      [...build, adding()],
      [...build, url],
      [...build, '--lock=update', adding()],
      [...build, '--check', url],
      ['plan', adding()],
      ['plan', url],
      ['lock', adding()],
    ];
    const results = await Promise.all(
      commands.map(async (command) => {
        const { env, keys } = sshHere();
        const { exitCode } = await made.wiac([...command, '--ssh', `default=${file}`], { env });
        const lines = await ask(keys);
        return [exitCode, lines.every((line) => line.includes(fingerprint))];
      }),
    );
    expect(results).toEqual(commands.map(() => [0, true]));
    expect(await leftOvers(made.root)).toEqual([]);
  });

  test('the socket of an agent, named from where the command is; keys of other ids are not used', async () => {
    const { file, fingerprint } = await makeKey();
    const directory = tempDir();
    const agent = execa('ssh-agent', ['-D', '-a', join(directory, 'agent')], { reject: false });
    stops.push(() => agent.kill());
    await new Promise((resume) => agent.stdout.once('data', resume));
    await execa('ssh-add', ['-q', file], { env: { SSH_AUTH_SOCK: join(directory, 'agent') } });
    const adding = context({ Dockerfile: `FROM scratch\nADD ${await address()} /x\n` });
    const used = async (id: string, value: string) => {
      const { env, keys } = sshHere();
      const args = ['build', '-q', '--no-cache', '--ssh', `${id}=${value}`, adding];
      expect(await machine().wiac(args, { env, cwd: directory })).toMatchObject({ exitCode: 0 });
      return (await ask(keys)).join().includes(fingerprint);
    };
    expect(await used('default', 'agent')).toBe(true);
    expect(await used('other', 'agent')).toBe(false);
  });

  test('the agent ends with a build that is killed, and the next build clears up', async () => {
    const { file } = await makeKey();
    const adding = context({ Dockerfile: `FROM scratch\nADD ${await address()} /x\n` });
    const made = machine();
    const args = ['build', '-q', '--ssh', `default=${file}`, adding];
    // The socket's path begins with /proc/PID.
    const { env, keys } = sshHere('kill -9 $(echo $SSH_AUTH_SOCK | cut -d/ -f3); exit 1');
    expect(await made.wiac(args, { env })).toMatchObject({ stdout: '' });
    expect((await ask(keys)).length).toBe(1);
    expect(await agentsLeft(made.root)).toEqual([]);
    expect(socketsIn(made.root)).toHaveLength(1);
    expect(await made.wiac(args, { env: sshHere().env })).toMatchObject({ exitCode: 0 });
    expect(await leftOvers(made.root)).toEqual([]);
  });
});
