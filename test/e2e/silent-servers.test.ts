/** Servers that take a connection and never answer: a signal ends who waits for one, and all that was started for it. */
import { afterEach, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { notStuck } from '../support/not-stuck.js';
import { silentServer } from '../support/silent-server.js';
import { context, dockerfile, machine, mountsBelow, processesWith, WIAC } from '../support/wiac.js';

let server: Awaited<ReturnType<typeof silentServer>> | undefined;
afterEach(() => {
  server?.close();
  server = undefined;
});

const BEGINS = 'HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nhello';
const bucket = (host: string) =>
  `type=s3,bucket=b,region=x,endpoint_url=http://${host},access_key_id=a,secret_access_key=b`;

const added = (what: string) => (host: string) => [
  'build',
  context({ Dockerfile: dockerfile(`ADD ${what.replace('HOST', host)} /`) }),
];
const built = (option: string, value: (host: string) => string) => (host: string) => [
  'build',
  `--${option}=${value(host)}`,
  context({ Dockerfile: dockerfile('RUN true') }),
];

test.each([
  ['a file', '', added('http://HOST/x')],
  [
    'a file that is known by its digest',
    '',
    added(`--checksum=sha256:${'0'.repeat(64)} http://HOST/x`),
  ],
  ['the rest of a file', BEGINS, added('http://HOST/x')],
  ['a repository', '', added('http://HOST/x.git')],
  ['a commit', '', added(`http://HOST/x.git#${'0'.repeat(40)}`)],
  ['a repository that is the context', '', (host: string) => ['build', `http://${host}/x.git`]],
  ['an archive that is the context', '', (host: string) => ['build', `http://${host}/x.tar`]],
  ['an image', '', (host: string) => ['build', context({ Dockerfile: `FROM ${host}/x\n` })]],
  ['a cache in a registry that is read', '', built('cache-from', (host) => `${host}/x`)],
  ['a cache in a registry that is written', '', built('cache-to', (host) => `${host}/x`)],
  ['a cache in a bucket that is written', '', built('cache-to', bucket)],
  [
    'a cache that is written as a whole',
    '',
    built('cache-to', (host) => `type=registry,ref=${host}/x,merge=false`),
  ],
  [
    'a registry that is pushed to',
    '',
    built('output', (host) => `type=image,name=${host}/x,push=true`),
  ],
  [
    'an image that is built again',
    '',
    (host: string) => ['repro', '--against', `docker://${host}/x`, context({})],
  ],
])('%s', async (_what, first, words) => {
  server = await silentServer(first);
  const made = machine();
  const child = execa(process.execPath, [WIAC, ...words(server.host), '-q'], {
    env: { WIAC_ROOT: made.root },
    reject: false,
  });
  await server.asked();
  child.kill('SIGTERM');
  const { exitCode, stdout, stderr } = await notStuck(child);
  expect({ exitCode, stdout, stderr }).toEqual({
    exitCode: 143,
    stdout: '',
    stderr: 'wiac: stopped by SIGTERM',
  });
  expect(processesWith(server.host)).toEqual([]);
  expect(mountsBelow(made.root)).toEqual([]);
});
