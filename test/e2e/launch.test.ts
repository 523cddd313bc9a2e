/** What `wiac` does before it is Node: certificates are read by who needs them (src/start/launch.sh). */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:https';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { context, dockerfile, tempDir, WIAC } from '../support/wiac.js';

let server: Server;
let ca: string;
/** Authorization of what was asked for. */
const asked: (string | undefined)[] = [];

beforeAll(async () => {
  const root = tempDir();
  const files = { key: join(root, 'key.pem'), certificate: join(root, 'certificate.pem') };
  await execa('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-days', '2', '-subj', '/CN=server', '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...['-keyout', files.key, '-out', files.certificate],
  ]);
  const cert = readFileSync(files.certificate);
  server = createServer({ key: readFileSync(files.key), cert }, (request, response) => {
    asked.push(request.headers.authorization);
    if (request.url === '/file') response.end('a file');
    else if (request.headers.authorization === undefined)
      response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
    else response.writeHead(404).end();
  });
  await new Promise<void>((resume) => server.listen(0, '127.0.0.1', resume));
  ca = cert.toString();
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resume) => server.close(resume));
});

/** As a command, the way npm links it, unless Node is told to run it. */
function launch(args: readonly string[], env: Record<string, string>, node = false) {
  const [command, first] = node ? [process.execPath, [WIAC]] : [WIAC, []];
  const own = { WIAC_ROOT: join(tempDir(), 'store'), NODE_OPTIONS: '' };
  return execa(command, [...first, ...args], { reject: false, env: { ...own, ...env } });
}

/** A file with the authority, in a variable. */
function trusting(): { NODE_EXTRA_CA_CERTS: string } {
  const file = join(tempDir(), 'ca.pem');
  writeFileSync(file, ca);
  return { NODE_EXTRA_CA_CERTS: file };
}

const host = () => `127.0.0.1:${(server.address() as AddressInfo).port}`;

test.each([
  ['a command', false, {}],
  ['an argument of Node', true, {}],
  ['a command with options for Node', false, { NODE_OPTIONS: '--no-warnings' }],
])('as %s it trusts NODE_EXTRA_CA_CERTS for ADD', async (_how, node, more) => {
  const directory = context({ Dockerfile: `FROM scratch\nADD https://${host()}/file /file\n` });
  const args = ['build', '-q', directory];
  const built = await launch(args, { ...trusting(), ...more }, node);
  expect(built).toMatchObject({ exitCode: 0, stderr: '' });
  expect(readFileSync(join(built.stdout, 'file'), 'utf8')).toBe('a file');
  const refused = await launch(args, { NODE_EXTRA_CA_CERTS: '', ...more }, node);
  expect(refused).toMatchObject({ exitCode: 4, stderr: expect.stringContaining('certificate') });
});

test('and for registries, whose credential helpers get the variable as it was', async () => {
  const home = tempDir();
  mkdirSync(join(home, '.docker'));
  writeFileSync(join(home, '.docker/config.json'), '{"credsStore": "tell"}');
  const helper = join(home, 'docker-credential-tell');
  writeFileSync(
    helper,
    `#!/bin/sh\necho "$NODE_EXTRA_CA_CERTS $WIAC_UNREAD_CA_CERTS" > ${home}/seen\necho '{"Username": "ann", "Secret": "secret"}'\n`,
  );
  chmodSync(helper, 0o755);
  const variables = trusting();
  const { NODE_EXTRA_CA_CERTS: file } = variables;
  const env = { ...variables, HOME: home, PATH: `${home}:${process.env.PATH}` };
  const pulled = await launch(['pull', `${host()}/app:1`], env);
  // It came as far as the answer of the registry.
  expect(pulled).toMatchObject({ exitCode: 11, stderr: expect.stringContaining('answered 404') });
  expect(asked.at(-1)).toBe(`Basic ${Buffer.from('ann:secret').toString('base64')}`);
  expect(readFileSync(join(home, 'seen'), 'utf8')).toBe(`${file} ${file}\n`);
});

test('a file that can not be read is a warning, once it is needed', async () => {
  const env = { NODE_EXTRA_CA_CERTS: tempDir() };
  expect(await launch(['--version'], env)).toMatchObject({ exitCode: 0, stderr: '' });
  const directory = context({ Dockerfile: `FROM scratch\nADD https://${host()}/file /file\n` });
  const refused = await launch(['build', '-q', directory], env);
  expect(refused.stderr).toContain('NODE_EXTRA_CA_CERTS is ignored');
  expect(refused).toMatchObject({ exitCode: 4, stderr: expect.stringContaining('certificate') });
});

test('a variable that sh drops is a secret with a hint', async () => {
  const directory = context({
    Dockerfile: dockerfile('RUN --mount=type=secret,id=s cat /run/secrets/s > /copy'),
  });
  const args = ['build', '-q', '--secret', 'id=s,env=my.token', directory];
  const env = { 'my.token': 'a secret' };
  const refused = await launch(args, env);
  expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('sh starts wiac') });
  const built = await launch(args, env, true);
  expect(built).toMatchObject({ exitCode: 0, stderr: '' });
  const [top = ''] = built.stdout.split(':');
  expect(readFileSync(join(top, 'copy'), 'utf8')).toBe('a secret');
});

/** A directory for PATH with nothing but busybox, for all it knows, and Node. */
function smallMachine(): string {
  const bin = tempDir();
  execFileSync('busybox', ['--install', '-s', bin]);
  symlinkSync(process.execPath, join(bin, 'node'));
  return bin;
}

test("busybox's sh starts it, by a link and with odd arguments", async () => {
  const bin = smallMachine();
  const wiac = join(bin, 'wiac');
  symlinkSync(WIAC, wiac);
  const args = ['run', 'no image', 'node', '--env-file=.env', '--', '*'];
  const env = { PATH: bin, WIAC_ROOT: join(tempDir(), 'store') };
  const run = await execa(join(bin, 'sh'), [WIAC, ...args], { reject: false, env });
  const linked = await execa('wiac', args, { reject: false, env });
  for (const { exitCode, stderr } of [run, linked]) {
    expect(exitCode).not.toBe(9);
    expect(stderr).toContain('no image');
    // Node would read the file, and end because there is none.
    expect(stderr).not.toContain('.env: not found');
  }
});

test('builds with the tools of busybox', async () => {
  const PATH = smallMachine();
  const directory = context({
    Dockerfile: [
      'FROM scratch AS first',
      'COPY bin /bin',
      'RUN mkdir -p /deep/er && echo 7 > /deep/er/7 && ln /deep/er/7 /7',
      'FROM first',
      'COPY --from=first /deep /copied/',
      'COPY . /all/',
    ].join('\n'),
    'some file': 'x',
  });
  const env = { PATH, WIAC_ROOT: join(tempDir(), 'store') };
  const built = await launch(['build', '-q', '-t', 'small', directory], env);
  expect(built).toMatchObject({ exitCode: 0, stderr: '' });
  const run = await launch(['run', 'small', '/bin/sh', '-c', 'cat /all/some* /copied/er/7'], env);
  expect(run).toMatchObject({ exitCode: 0, stdout: 'x7' });
  const layout = `oci-layout://${tempDir()}/layout:small`;
  expect(await launch(['push', 'small', layout], env)).toMatchObject({ exitCode: 0 });
  expect(await launch(['cache', 'verify'], env)).toMatchObject({ exitCode: 0 });
});
