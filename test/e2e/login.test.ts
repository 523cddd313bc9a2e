/** `wiac login` and `logout`: a real registry with TLS and passwords, helpers, files, terminals. */
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { startRegistry, startServer, type TestRegistry } from '../oci/registry/helpers.js';
import { makeAuthority, makeCertificate } from '../support/certificates.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, printed, tempDir, WIAC } from '../support/wiac.js';

const machine = warmMachines();

const root = mkdtempSync(join(tmpdir(), 'wiac-login-'));
const ca = join(root, 'ca.pem');
let registry: TestRegistry;

beforeAll(async () => {
  await makeAuthority(root);
  const { stdout } = await execa('htpasswd', ['-nbB', 'ann', 'pass:wörd']);
  registry = await startRegistry({
    htpasswd: `${stdout.trim()}\n`,
    tls: await makeCertificate(root),
  });
});
afterAll(async () => {
  await registry.stop();
  rmSync(root, { recursive: true });
});

/** A home directory of its own, which trusts the authority. */
function home(): { config: string; env: Record<string, string> } {
  const HOME = tempDir();
  const env = { HOME, XDG_RUNTIME_DIR: HOME, XDG_CONFIG_HOME: HOME, WIAC_REGISTRY_CA: ca };
  return { config: join(HOME, '.docker/config.json'), env };
}

function login(env: Record<string, string>, host = registry.host, password = 'pass:wörd\n') {
  const args = ['login', '-u', 'ann', '--password-stdin', host];
  return machine().wiac(args, { env, input: password });
}

describe('a registry with TLS and passwords', () => {
  test('login, push, pull, build, logout', async () => {
    const { env } = home();
    const reference = `${registry.host}/private/app:1`;
    const made = machine();
    await made.build(
      context({ Dockerfile: dockerfile('CMD ["/bin/echo", "private"]') }),
      '-t',
      'a',
    );
    const refused = await made.wiac(['push', 'a', reference], { env });
    expect(refused.exitCode).toBe(11);
    expect(refused.stderr).toContain(`log in with \`wiac login ${registry.host}\``);

    const { WIAC_REGISTRY_CA: _, ...stranger } = env;
    const untrusted = await login(stranger);
    expect(untrusted).toMatchObject({ exitCode: 11, stdout: '' });
    expect(untrusted.stderr).toContain('WIAC_REGISTRY_CA=FILE');

    expect(await login(env, registry.host, 'wrong')).toMatchObject({
      exitCode: 11,
      stdout: '',
      stderr: expect.stringContaining('does not accept the user name and password'),
    });
    expect(await made.wiac(['push', 'a', reference], { env })).toMatchObject({ exitCode: 11 });

    expect(await login(env, `https://${registry.host}/v2/`)).toMatchObject({
      exitCode: 0,
      stderr: '',
    });
    expect(await made.wiac(['push', 'a', reference], { env })).toMatchObject({ exitCode: 0 });
    const other = machine();
    expect((await other.wiac(['run', reference], { env })).stdout).toBe('private\n');
    const root = context({ Dockerfile: `FROM ${reference}\nRUN echo built\n` });
    const built = await machine().wiac(['build', '--progress=plain', root], { env });
    expect(built).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('built') });

    expect(await made.wiac(['logout', registry.host], { env })).toMatchObject({
      exitCode: 0,
      stdout: `logged out of ${registry.host}\n`,
    });
    expect((await made.wiac(['logout', registry.host], { env })).stdout).toContain('not logged in');
    const after = machine();
    expect(await after.wiac(['pull', reference], { env })).toMatchObject({
      exitCode: 11,
      stdout: '',
      stderr: expect.stringContaining('wants a user name and a password'),
    });
    expect((await after.wiac(['images', '-q'])).stdout).toBe('');
  });

  test('what a terminal is asked for: the name is shown, the password is not', async () => {
    const { env, config } = home();
    const command = `${process.execPath} ${WIAC} login ${registry.host}`;
    const terminal = execa('script', ['-qec', command, '/dev/null'], {
      env: { ...env, LANG: 'C.UTF-8' },
    });
    const asked = printed(terminal.stdout, 'User name');
    const askedAgain = printed(terminal.stdout, 'Password: ');
    await asked;
    terminal.stdin.write('ann\n');
    await askedAgain;
    terminal.stdin.write('pass:wörd\n');
    const { stdout } = await terminal;
    expect(stdout).toContain(`User name for ${registry.host}: `);
    expect(stdout).toContain('ann');
    expect(stdout).toContain('Password: ');
    expect(stdout).not.toContain('wörd');
    expect(Object.keys(JSON.parse(readFileSync(config, 'utf8')).auths)).toEqual([registry.host]);
  });

  test('nobody to ask, or no sense in what was given', async () => {
    const { env } = home();
    const { wiac } = machine();
    for (const args of [
      [],
      ['-u', 'ann'],
      ['--password-stdin'],
      ['-u', 'ann', '-p', 'x', '--password-stdin'],
      ['-u', 'a:b', '-p', 'x'],
      ['-u', 'ann', '--password-stdin'],
    ])
      expect(await wiac(['login', ...args, registry.host], { env })).toMatchObject({ exitCode: 2 });
    expect(await wiac(['login', '-u', 'a', '-p', 'b', 'name'], { env })).toMatchObject({
      exitCode: 11,
      stderr: expect.stringContaining('is not a registry'),
    });
  });
});

describe('the file', () => {
  test('keeps what else is in it, and is for its owner alone', async () => {
    const { env, config } = home();
    const elsewhere = join(tempDir(), 'config.json');
    const others = {
      auths: {
        'https://example.org/v1/': { auth: 'eDp5' },
        [`https://${registry.host}`]: { auth: 'b2xkOm9sZA==' },
        [`${registry.host}/some/repository`]: { auth: 'eDp5' },
      },
      credHelpers: { 'example.com': 'none' },
      proxies: { default: { httpProxy: 'http://proxy' } },
    };
    writeFileSync(elsewhere, JSON.stringify(others), { mode: 0o644 });
    mkdirSync(join(config, '..'));
    symlinkSync(elsewhere, config);
    expect(await login(env)).toMatchObject({ exitCode: 0 });
    expect(lstatSync(config).isSymbolicLink()).toBe(true);
    expect(statSync(config).mode & 0o777).toBe(0o600);
    const { [`https://${registry.host}`]: _, ...kept } = others.auths;
    const auth = Buffer.from('ann:pass:wörd').toString('base64');
    expect(JSON.parse(readFileSync(elsewhere, 'utf8'))).toEqual({
      ...others,
      auths: { ...kept, [registry.host]: { auth } },
    });
    await machine().wiac(['logout', registry.host], { env });
    expect(JSON.parse(readFileSync(elsewhere, 'utf8'))).toEqual({ ...others, auths: kept });
  });

  test('one that is broken is left as it is', async () => {
    const { env, config } = home();
    mkdirSync(join(config, '..'));
    writeFileSync(config, '{"auths": ');
    expect(await login(env)).toMatchObject({ exitCode: 11 });
    expect(readFileSync(config, 'utf8')).toBe('{"auths": ');
  });

  test('$REGISTRY_AUTH_FILE and $DOCKER_CONFIG; a login that another file hides', async () => {
    const { env, config } = home();
    const REGISTRY_AUTH_FILE = join(tempDir(), 'new/auth.json');
    expect((await login({ ...env, REGISTRY_AUTH_FILE })).stdout).toContain(REGISTRY_AUTH_FILE);
    const DOCKER_CONFIG = tempDir();
    expect((await login({ ...env, DOCKER_CONFIG })).stdout).toContain(DOCKER_CONFIG);
    mkdirSync(join(env.HOME ?? '', 'containers'));
    writeFileSync(join(env.HOME ?? '', 'containers/auth.json'), readFileSync(REGISTRY_AUTH_FILE));
    const { stdout, stderr } = await login(env);
    expect(stdout).toContain(config);
    expect(stderr).toContain('containers/auth.json has a login');
    const out = await machine().wiac(['logout', registry.host], { env });
    expect(out.stderr).toContain('still has a login');
  });
});

test('a helper keeps the password; the file has none', async () => {
  const { env, config } = home();
  const bin = tempDir();
  const kept = join(bin, 'kept');
  const script = `#!/bin/sh
case $1 in
store) cat > ${kept} ;;
get) cat ${kept} 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
erase) rm ${kept} ;;
esac
`;
  writeFileSync(join(bin, 'docker-credential-test'), script, { mode: 0o755 });
  const withHelper = { ...env, PATH: `${bin}:${process.env.PATH}` };
  mkdirSync(join(config, '..'));
  const before = { credsStore: 'test', auths: { [registry.host]: { auth: 'b2xkOm9sZA==' } } };
  writeFileSync(config, JSON.stringify(before));
  expect(await login(withHelper)).toMatchObject({
    exitCode: 0,
    stdout: `logged in to ${registry.host}, kept in docker-credential-test\n`,
  });
  expect(JSON.parse(readFileSync(kept, 'utf8'))).toEqual({
    ServerURL: registry.host,
    Username: 'ann',
    Secret: 'pass:wörd',
  });
  expect(JSON.parse(readFileSync(config, 'utf8'))).toEqual({
    credsStore: 'test',
    auths: { [registry.host]: {} },
  });
  const { wiac } = machine();
  const missing = await wiac(['pull', `${registry.host}/missing:1`], { env: withHelper });
  expect(missing.stderr).toContain('404');
  expect((await wiac(['logout', registry.host], { env: withHelper })).stdout).toContain(
    'logged out',
  );
  expect(() => statSync(kept)).toThrow('ENOENT');
  expect(JSON.parse(readFileSync(config, 'utf8'))).toEqual({ credsStore: 'test', auths: {} });
});

test('a registry with a token server: it is the one that is asked', async () => {
  const expected = `Basic ${Buffer.from('ann:pass:wörd').toString('base64')}`;
  const seen: string[] = [];
  const server = await startServer((request, response) => {
    const { url = '', headers } = request;
    seen.push(url);
    if (url.startsWith('/token')) {
      response.statusCode = headers.authorization === expected ? 200 : 401;
      response.end(JSON.stringify({ token: 't' }));
    } else if (headers.authorization === 'Bearer t') response.end('{}');
    else {
      const challenge = `Bearer realm="http://${headers.host}/token",service="s"`;
      response.writeHead(401, { 'www-authenticate': challenge }).end();
    }
  });
  try {
    const { env } = home();
    expect(await login(env, server.host)).toMatchObject({ exitCode: 0 });
    expect(seen).toEqual(['/v2/', '/token?service=s&account=ann', '/v2/']);
    expect(await login(env, server.host, 'wrong')).toMatchObject({
      exitCode: 11,
      stderr: expect.stringContaining('does not accept the user name and password'),
    });
  } finally {
    await server.stop();
  }
});
