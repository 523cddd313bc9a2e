/** --ssh: an agent's socket, and key files for an agent of wiac's own. */
import { chmodSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { execa } from 'execa';
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

/** No directory of an agent and no agent may outlive its step; it may still be ending. */
async function leftOvers(): Promise<string[]> {
  let found: string[] = [];
  for (let tries = 0; tries < 50; tries++) {
    const directories = readdirSync(tmpdir()).filter((name) => name.startsWith('wiac-ssh-'));
    found = [...directories, ...processesWith('wiac-ssh-')];
    if (found.length === 0) break;
    await new Promise((resume) => setTimeout(resume, 100));
  }
  return found;
}

test('key files: the step sees their keys, nothing is left', async () => {
  const [one, two] = [await makeKey(), await makeKey()];
  chmodSync(one.file, 0o644);
  const root = await sshContext('RUN --mount=type=ssh /usr/bin/ssh-add -l');
  const { events } = await machine().build(root, '--ssh', `default=${one.file},${two.file}`);
  expect(fingerprints(events).sort()).toEqual([one.fingerprint, two.fingerprint].sort());
  expect(await leftOvers()).toEqual([]);
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
  const result = await machine().wiac(['build', '--ssh', `default=${await file()}`, root]);
  expect(result).toMatchObject({ exitCode: 2, stdout: '' });
  expect(result.stderr).toContain(message);
  expect(await leftOvers()).toEqual([]);
});
