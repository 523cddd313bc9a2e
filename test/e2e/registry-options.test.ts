/** How a command reaches registries: the options of podman and buildah, for one command alone. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { TestRegistry } from '../oci/registry/helpers.js';
import { passOn, startFaulty, startRegistry } from '../oci/registry/helpers.js';
import { makeAuthority, makeCertificate } from '../support/certificates.js';
import { warmMachines } from '../support/warm-command.js';
import type { RunOptions } from '../support/wiac.js';
import { context, dockerfile, tempDir } from '../support/wiac.js';

const machine = warmMachines();

const root = mkdtempSync(join(tmpdir(), 'wiac-registry-options-'));
/** With TLS and passwords. */
let secured: TestRegistry;
/** With neither. */
let open: TestRegistry;

beforeAll(async () => {
  await makeAuthority(root);
  const { stdout } = await execa('htpasswd', ['-nbB', 'ann', 'pass:word']);
  const tls = await makeCertificate(root);
  secured = await startRegistry({ htpasswd: `${stdout.trim()}\n`, tls });
  open = await startRegistry();
});
afterAll(async () => {
  await secured.stop();
  await open.stop();
  rmSync(root, { recursive: true });
});

/** Nobody's logins, and nothing that the machine trusts. */
function stranger(): RunOptions {
  const HOME = tempDir();
  const env = { HOME, XDG_RUNTIME_DIR: HOME, XDG_CONFIG_HOME: HOME, NODE_EXTRA_CA_CERTS: '' };
  return { env };
}

const small = (...lines: string[]) => context({ Dockerfile: dockerfile(...lines) });

/** A directory as containers-certs.d(5) has it. */
function certificates(...names: string[]): string {
  const directory = tempDir();
  copyFileSync(join(root, 'ca.pem'), join(directory, 'ca.crt'));
  for (const name of names) copyFileSync(join(root, name), join(directory, name));
  return directory;
}

describe('--tls-verify, --creds', () => {
  test('build, push and pull', async () => {
    const { wiac } = machine();
    const name = `${secured.host}/team/app:1`;
    const access = ['--tls-verify=false', '--creds', 'ann:pass:word'];
    const pushed = ['build', '-q', '-t', name, '--push'];
    expect(await wiac([...pushed, small()], stranger())).toMatchObject({ exitCode: 11 });
    const trusting = await wiac([...pushed, '--tls-verify=false', small()], stranger());
    expect(trusting).toMatchObject({ exitCode: 11, stderr: expect.stringContaining('log in') });
    expect(await wiac([...pushed, ...access, small()], stranger())).toMatchObject({ exitCode: 0 });
    expect(await wiac(['push', ...access, name, name], stranger())).toMatchObject({ exitCode: 0 });

    const other = machine();
    const based = context({ Dockerfile: `FROM ${name}\nRUN echo on top > /top\n` });
    expect(await other.wiac(['build', based], stranger())).toMatchObject({ exitCode: 11 });
    const built = await other.wiac(['build', '--pull', ...access, based], stranger());
    expect(built).toMatchObject({ exitCode: 0 });
    const wrong = ['--tls-verify=0', '--creds=ann:wrong'];
    expect(await machine().wiac(['pull', ...wrong, name], stranger())).toMatchObject({
      exitCode: 11,
    });
    const pull = await machine().wiac(['pull', ...access, name], stranger());
    expect(pull).toMatchObject({ exitCode: 0 });
  });

  test('true wants TLS also of a registry on this machine', async () => {
    const { wiac } = machine();
    const name = `${open.host}/plain:1`;
    expect(await wiac(['build', '-t', name, '--push', small()])).toMatchObject({ exitCode: 0 });
    for (const verify of ['--tls-verify', '--tls-verify=true']) {
      const refused = await machine().wiac(['pull', '--retry', '0', verify, name]);
      expect(refused).toMatchObject({ exitCode: 11, stdout: '' });
    }
    expect(await machine().wiac(['pull', '--tls-verify=false', name])).toMatchObject({
      exitCode: 0,
    });
  });

  test('a user alone is asked for the password, and nobody is there', async () => {
    const { wiac } = machine();
    const refused = await wiac(['pull', '--creds', 'ann', `${secured.host}/x:1`]);
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('password') });
    expect(await wiac(['pull', '--creds', ':x', 'a'])).toMatchObject({ exitCode: 2 });
    expect(await wiac(['pull', '--tls-verify=maybe', 'a'])).toMatchObject({ exitCode: 2 });
  });
});

describe('--authfile, --cert-dir', () => {
  test('login writes the file that the others read', async () => {
    const { wiac } = machine();
    const home = stranger();
    const file = join(tempDir(), 'deep/auth.json');
    const trust = ['--cert-dir', certificates()];
    const login = ['login', '-u', 'ann', '--password-stdin', '--authfile', file, ...trust];
    const asked = { ...home, input: 'pass:word' };
    expect(await wiac([...login, secured.host], asked)).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining(file),
    });
    expect(existsSync(join(home.env?.HOME ?? '', '.docker/config.json'))).toBe(false);

    const name = `${secured.host}/team/file:1`;
    const push = ['build', '-t', name, '--push', ...trust];
    expect(await wiac([...push, small()], home)).toMatchObject({ exitCode: 11 });
    const known = await wiac([...push, '--authfile', file, small()], home);
    expect(known).toMatchObject({ exitCode: 0 });
    await wiac(['logout', '--authfile', file, secured.host], home);
    expect(readFileSync(file, 'utf8')).not.toContain(secured.host);
    expect(await wiac(['pull', ...trust, '--authfile', file, name], home)).toMatchObject({
      exitCode: 11,
    });
    const missing = await wiac(['pull', '--authfile', `${file}.not`, name], home);
    expect(missing).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--authfile') });
  });

  test('a certificate of our own, for a server that asks for one', async () => {
    await makeCertificate(root, 'client');
    const server = createServer(
      {
        cert: readFileSync(join(root, 'registry.cert')),
        key: readFileSync(join(root, 'registry.key')),
        ca: readFileSync(join(root, 'ca.pem')),
        requestCert: true,
      },
      (request, response) => {
        // Addresses for uploads are to lead back here.
        request.headers['x-forwarded-proto'] = 'https';
        passOn(open.host, request, response);
      },
    );
    await new Promise<void>((resume) => server.listen(0, '127.0.0.1', resume));
    const name = `127.0.0.1:${(server.address() as AddressInfo).port}/guarded:1`;
    try {
      const { wiac } = machine();
      await wiac(['build', '-t', name, small()]);
      const push = (...names: string[]) =>
        wiac(['push', '--retry=0', '--cert-dir', certificates(...names), name, name]);
      expect(await push()).toMatchObject({ exitCode: 11 });
      expect(await push('client.cert', 'client.key')).toMatchObject({ exitCode: 0 });
      expect(await push('client.cert')).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining('client.key'),
      });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

test('what this machine has for a registry is found where podman has it', async () => {
  const home = stranger();
  const name = `${secured.host}/team/machine:1`;
  const { wiac } = machine();
  const push = ['build', '-t', name, '--push', '--creds=ann:pass:word', small()];
  expect(await wiac(push, home)).toMatchObject({ exitCode: 11 });
  const directory = join(home.env?.HOME ?? '', 'containers/certs.d', secured.host);
  mkdirSync(directory, { recursive: true });
  copyFileSync(join(root, 'ca.pem'), join(directory, 'authority.crt'));
  expect(await wiac(push, home)).toMatchObject({ exitCode: 0 });
  writeFileSync(join(directory, 'alone.cert'), 'without a key');
  expect(await wiac(['pull', name], home)).toMatchObject({
    exitCode: 11,
    stderr: expect.stringContaining('alone.key'),
  });
  // What the command line says counts before it.
  const given = ['pull', '--cert-dir', certificates(), '--creds=ann:pass:word', name];
  expect(await wiac(given, home)).toMatchObject({ exitCode: 0 });
});

test('--retry says how often, --retry-delay how soon', async () => {
  const faulty = await startFaulty(open.host);
  try {
    const { wiac } = machine();
    const name = `${faulty.host}/often:1`;
    await wiac(['build', '-t', name, '--push', small()]);
    let failures = 0;
    let left = 0;
    faulty.fault = (request, response) => {
      if (!request.url?.includes('/manifests/') || left === 0) return false;
      left -= 1;
      failures += 1;
      response.writeHead(503).end();
      return true;
    };
    const attempt = async (retries: string, faults: number) => {
      [left, failures] = [faults, 0];
      const args = ['pull', '--retry', retries, '--retry-delay=1ms', name];
      return [(await machine().wiac(args)).exitCode, failures];
    };
    expect(await attempt('0', 3)).toEqual([11, 1]);
    expect(await attempt('2', 3)).toEqual([11, 3]);
    expect(await attempt('3', 3)).toEqual([0, 3]);
    expect(await wiac(['pull', '--retry=-1', name])).toMatchObject({ exitCode: 2 });
    expect(await wiac(['pull', '--retry-delay=soon', name])).toMatchObject({ exitCode: 2 });
  } finally {
    await faulty.stop();
  }
});

describe('--pull', () => {
  /** Two versions of one name: the store has the first, the registry the second. */
  async function twoVersions() {
    const name = `${open.host}/pull:1`;
    const { wiac, build } = machine();
    const push = (version: string) =>
      wiac(['build', '-t', name, '--push', small(`RUN echo ${version} > /version`)]);
    await push('first');
    const other = await machine().wiac([
      ...['build', '-t', name, '--push'],
      small('RUN echo second > /version'),
    ]);
    expect(other).toMatchObject({ exitCode: 0 });
    const user = context({ Dockerfile: `FROM ${name}\nRUN cat /version\n` });
    return async (...flags: string[]) => {
      const { events } = await build(user, '--no-cache', ...flags);
      return events.flatMap(({ type, text }) => (type === 'output' ? [text] : []));
    };
  }

  test('what is here, what is newer, what is there', async () => {
    const seen = await twoVersions();
    const versions = [
      ['--pull=missing', 'first'],
      ['--pull=never', 'first'],
      ['--pull=false', 'first'],
      ['--pull=newer', 'second'],
      ['--pull=ifnewer', 'second'],
      ['--pull=always', 'second'],
      ['--pull', 'second'],
    ] as const;
    for (const [flag, version] of versions)
      expect([flag, await seen(flag)]).toEqual([flag, [version]]);
  });

  test('newer makes do with what is here, always does not, never asks nobody', async () => {
    const gone = await startRegistry();
    const name = `${gone.host}/gone:1`;
    const { wiac } = machine();
    await wiac(['build', '-t', name, '--push', small('RUN echo first > /version')]);
    await gone.stop();
    const user = context({ Dockerfile: `FROM ${name}\nRUN cat /version\n` });
    const quick = ['--retry=0'];
    expect(await wiac(['build', ...quick, '--pull=newer', user])).toMatchObject({ exitCode: 0 });
    expect(await wiac(['build', ...quick, '--pull=always', user])).toMatchObject({ exitCode: 11 });
    const never = await machine().wiac(['build', '--pull=never', user]);
    expect(never).toMatchObject({ exitCode: 11, stderr: expect.stringContaining('--pull=never') });
    expect(await wiac(['build', '--pull=often', user])).toMatchObject({ exitCode: 2 });
  });
});

test('the word after an option that may stand alone is not its value', async () => {
  const { wiac } = machine();
  const cwd = tempDir();
  mkdirSync(join(cwd, 'true'));
  writeFileSync(join(cwd, 'true/Dockerfile'), 'FROM scratch\n');
  for (const flag of ['--pull', '--tls-verify'])
    expect(await wiac(['build', flag, 'true'], { cwd })).toMatchObject({ exitCode: 0 });
});
