/** User and password of a URL are for its server: neither kept nor printed nor part of a key. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { warmMachines } from '../support/warm-command.js';
import type { WebServer } from '../support/web-server.js';
import { repository, serveFiles } from '../support/web-server.js';
import type { Result } from '../support/wiac.js';
import { context, ranSteps, tempDir } from '../support/wiac.js';

const machine = warmMachines();

const [PASSWORD, OTHER] = ['hunter2hunter2', 'correcthorsebattery'];

let server: WebServer | undefined;
afterEach(() => server?.stop());

async function start(): Promise<WebServer> {
  const { root } = await repository({ file: 'content' });
  writeFileSync(join(root, 'plain'), 'plain');
  server = await serveFiles(root, [PASSWORD, OTHER]);
  return server;
}

/** Files below a directory that hold a password, as text or in base64. */
async function filesWith(root: string): Promise<string[]> {
  const encoded = Buffer.from(`user:${PASSWORD}`).toString('base64').slice(0, -4);
  const args = ['-rlaE', `${PASSWORD}|${encoded}`, root];
  return (await execa('grep', args, { reject: false })).stdout.split('\n').filter(Boolean);
}

function expectSilent(...results: readonly Result[]): void {
  for (const { stdout, stderr } of results) {
    expect(stdout + stderr).not.toContain(PASSWORD);
    expect(stdout + stderr).not.toContain('user:');
  }
}

describe('of ADD', () => {
  test('are in no file of the store, no output, no image and no statement about it', async () => {
    const { host, seen } = await start();
    const root = context({
      Dockerfile: `FROM scratch\nARG P\nADD http://user:${PASSWORD}@${host}/plain http://user:${PASSWORD}@${host}/r.git#main /x/\nADD http://user:$P@${host}/r.git /y\n`,
    });
    const { root: store, wiac } = machine();
    const out = tempDir();
    const flags = [
      `--build-arg=P=${PASSWORD}`,
      '--progress=json',
      '--attest=type=provenance,mode=min',
      `--metadata-file=${join(out, 'metadata')}`,
      `--output=type=oci,dest=${join(out, 'image')},tar=false,compression=uncompressed`,
      `--cache-to=type=local,dest=${join(out, 'cache')},mode=max`,
      '-t',
      'x',
    ];
    const built = await wiac(['build', ...flags, root]);
    expect(built).toMatchObject({ exitCode: 0 });
    expect(seen).toContain(`Basic ${Buffer.from(`user:${PASSWORD}`).toString('base64')}`);
    const more = [
      ['plan', '--format=json', `--build-arg=P=${PASSWORD}`, root],
      ['plan', `--build-arg=P=${PASSWORD}`, root],
      ['why', `--build-arg=P=${PASSWORD}`, root],
      ['cache', 'ls', '--format=json'],
      ['build', '--no-cache', '--progress=plain', `--build-arg=P=${PASSWORD}`, root],
    ];
    const results: Result[] = [];
    for (const args of more) results.push(await wiac(args));
    expect(results.map(({ exitCode }) => exitCode)).toEqual(more.map(() => 0));
    expectSilent(...results.slice(0, -1));
    // What ARG says is in the history, as everywhere; the URL is not.
    for (const text of [
      built.stderr,
      results.at(-1)?.stderr,
      (await wiac(['history', 'x'])).stdout,
    ])
      expect(text?.replaceAll(`P=${PASSWORD}`, '')).not.toContain(PASSWORD);
    const kept = (await filesWith(store)).filter((path) => {
      const text = readFileSync(path, 'latin1').replaceAll(`P=${PASSWORD}`, '');
      return text.includes(PASSWORD) && !path.endsWith('data.mdb');
    });
    expect(kept).toEqual([]);
  });

  test('are in neither the index nor any other file, when they stand in the Dockerfile', async () => {
    const { host } = await start();
    const text = `FROM scratch\nADD http://user:${PASSWORD}@${host}/plain /x/\nADD http://user:${PASSWORD}@${host}/r.git /y\n`;
    const root = context({ Dockerfile: text });
    const { root: store, wiac } = machine();
    const out = tempDir();
    const result = await wiac([
      'build',
      '--provenance=mode=max',
      '--sbom',
      `--metadata-file=${join(out, 'metadata')}`,
      `--output=type=oci,dest=${join(out, 'image')},tar=false,compression=uncompressed`,
      `--cache-to=type=local,dest=${join(out, 'cache')},mode=max`,
      '-t',
      'x',
      root,
    ]);
    expect(result.exitCode).toBe(0);
    expectSilent(result, await wiac(['history', 'x']), await wiac(['inspect', 'x']));
    expect([...(await filesWith(store)), ...(await filesWith(out))]).toEqual([]);
  });

  test('are no part of a key: another password finds the same entries', async () => {
    const { host } = await start();
    const { build } = machine();
    const contextWith = (password: string) =>
      context({
        Dockerfile: `FROM scratch\nADD http://user:${password}@${host}/plain /x/\nADD http://user:${password}@${host}/r.git /y\n`,
      });
    await build(contextWith(PASSWORD));
    expect(ranSteps((await build(contextWith(OTHER))).events)).toEqual([]);
  });

  test.each([
    ['a wrong password', 'http://user:hunter2hunter2X@HOST/r.git'],
    ['a file that is not there', `http://user:${PASSWORD}@HOST/nope`],
    ['a repository that is not there', `http://user:${PASSWORD}@HOST/nope.git`],
    ['a branch that is not there', `http://user:${PASSWORD}@HOST/r.git#nope`],
    ['a directory that is not there', `http://user:${PASSWORD}@HOST/r.git#main:nope`],
    ['a wrong checksum', `--checksum=0123456789 http://user:${PASSWORD}@HOST/r.git`],
    ['a wrong digest', `--checksum=sha256:${'0'.repeat(64)} http://user:${PASSWORD}@HOST/plain`],
    ['a query that means nothing', `http://user:${PASSWORD}@HOST/r.git?x=y`],
    ['what is no URL', `http://user:${PASSWORD}@[HOST/x`],
    ['a password with signs', `http://user:${PASSWORD}@a@HOST/nope`],
  ])('are in no error: %s', async (_, source) => {
    const { host } = await start();
    const made = machine();
    const root = context({ Dockerfile: `FROM scratch\nADD ${source.replace('HOST', host)} /x\n` });
    for (const progress of ['plain', 'json']) {
      const result = await made.wiac(['build', `--progress=${progress}`, root]);
      expect([3, 4]).toContain(result.exitCode);
      expectSilent(result);
    }
    expect(await filesWith(made.root)).toEqual([]);
  });
});

test('of a proxy are not printed with the plan', async () => {
  const root = context({ Dockerfile: 'FROM scratch\nRUN x\n' });
  const arg = `--build-arg=HTTP_PROXY=http://user:${PASSWORD}@127.0.0.1:1`;
  const { wiac } = machine();
  const planned = await wiac(['plan', '--format=json', arg, root]);
  expect(planned.stdout).toContain('127.0.0.1:1');
  expectSilent(planned, await wiac(['build', '--progress=json', arg, root]));
});

test('of a bucket are in no error', async () => {
  const root = context({ Dockerfile: 'FROM scratch\n' });
  const { wiac } = machine();
  for (const spec of [
    `type=s3,bucket=b,access_key_id=AK,secret_access_key=${PASSWORD},nonsense=1`,
    `type=s3,bucket=b,"secret_access_key=${PASSWORD},${PASSWORD}",nonsense=1`,
    `type=nonsense,session_token=${PASSWORD}`,
    `type=registry,ref=https://user:${PASSWORD}@127.0.0.1/x`,
  ]) {
    const result = await wiac(['build', `--cache-from=${spec}`, root]);
    expect(result.exitCode).not.toBe(0);
    expectSilent(result);
  }
  expect(readFileSync(join(root, 'Dockerfile'), 'utf8')).toContain('scratch');
});
