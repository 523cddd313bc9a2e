/** Files and caches that a command names and that are not there: the message has the option, the file, and what to do. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { warmMachines } from '../support/warm-command.js';
import { context, type Machine, tempDir } from '../support/wiac.js';

const machine = warmMachines();
const DEAD = '127.0.0.1:1/x';
const NODES_OWN = /\bE[A-Z]{4,}: |, (?:open|read|scandir|mkdir) '/;

let made: Machine;
let root: string;

beforeEach(() => {
  made = machine();
  root = context({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: 'x' });
});

async function run(...words: string[]) {
  const { exitCode, stderr } = await made.wiac(
    words.map((word) => (word === 'CONTEXT' ? root : word)),
  );
  return { exitCode, stderr };
}

describe('a file that an option names', () => {
  const places = [
    ['--key', ['verify-image', DEAD, '--key', '/nosuch']],
    ['--key', ['sign', DEAD, '--key', '/nosuch']],
    ['sign-key=', ['build', 'CONTEXT', '--cache-to', 'type=local,dest=c,sign-key=/nosuch']],
    ['trust-key=', ['build', 'CONTEXT', '--cache-from', 'type=local,src=c,trust-key=/nosuch']],
    ['--sign-key', ['cache', 'export', '--sign-key', '/nosuch', 'x.tar']],
    ['--trust-key', ['cache', 'import', '--trust-key', '/nosuch', 'x.tar']],
    ['--key', ['worker', '--queue', 'redis://127.0.0.1:1', '--cache', DEAD, '--key', '/nosuch']],
    ['--file', ['imagetools', 'create', '-t', DEAD, '--file', '/nosuch']],
    ['--file', ['bake', '-f', '/nosuch']],
    ['--cert-dir', ['build', 'CONTEXT', '--cert-dir', '/nosuch']],
    ['--authfile', ['build', 'CONTEXT', '--authfile', '/nosuch']],
    ['--ignorefile', ['build', 'CONTEXT', '--ignorefile', '/nosuch']],
    ['--build-arg-file', ['build', 'CONTEXT', '--build-arg-file', '/nosuch']],
    ['--require-signed a.example', ['build', 'CONTEXT', '--require-signed', 'a.example=/nosuch']],
  ] as const;

  test.each(places)('%s: %j', async (option, words) => {
    const { exitCode, stderr } = await run(...words);
    const [said = ''] = stderr.split('\n');
    expect(stderr).not.toMatch(NODES_OWN);
    expect(said).toContain(option);
    expect(said).toMatch(/\/nosuch: there is no such (file|directory)$/);
    expect(stderr).toContain('\nhint: ');
    expect(exitCode).toBe(2);
  });

  test('a directory in its place, and what the config file names', async () => {
    expect(await run('verify-image', DEAD, '--key', '/')).toEqual({
      exitCode: 2,
      stderr: 'wiac: --key /: it is a directory\nhint: name a file in it\n',
    });
    const config = join(tempDir(), 'config.json');
    writeFileSync(config, '{"cache": {"trustKeys": ["/nosuch"]}}');
    const build = ['build', root, '--cache-from', 'type=local,src=c'];
    const { exitCode, stderr } = await made.wiac(build, { env: { WIAC_CONFIG: config } });
    expect(stderr).toContain('wiac: cache.trustKeys /nosuch: there is no such file\n');
    expect(exitCode).toBe(2);
  });
});

test('a place that nothing can be written to', async () => {
  const archive = await run('build', '-q', 'CONTEXT', '-o', 'type=oci,dest=/nosuch/x.tar');
  expect(archive).toMatchObject({
    exitCode: 11,
    stderr: expect.stringContaining('/nosuch/x.tar: there is no directory /nosuch\nhint: '),
  });
  const files = await run('build', '-q', 'CONTEXT', '-o', '/proc/x');
  expect(files.stderr).toContain('cannot write to /proc/x: nothing can be made in /proc');
  expect(archive.stderr + files.stderr).not.toMatch(NODES_OWN);
});

describe('a shared cache that is not there is called one', () => {
  test.each([
    ['type=local,src=/nosuch', 'there is no cache in /nosuch'],
    ['type=local,src=/nosuch,tag=main', 'there is no cache main in /nosuch'],
    [`type=registry,ref=${DEAD}`, `read the cache ${DEAD}:latest: no connection`],
  ])('%s', async (cache, problem) => {
    const fresh = context({ Dockerfile: `FROM scratch\nCOPY f /${cache.length}\n`, f: 'x' });
    for (const words of [
      ['build', fresh, '--cache-from', `${cache},required=true`],
      ['cache', 'mounts', 'ls', cache],
    ]) {
      const { exitCode, stderr } = await run(...words);
      expect(stderr).toContain(problem);
      expect(stderr).toContain('\nhint: ');
      expect(stderr).not.toMatch(/OCI image layout|skopeo|pull /);
      expect(exitCode).toBe(11);
    }
  });
});

test('what is named and not there is one exit code, whatever it could have been called', async () => {
  for (const words of [
    ['log', 'xyz'],
    ['log', 'XYZ'],
    ['report', '0'],
    ['cache', 'show', 'XYZ'],
    ['inspect', 'XYZ'],
  ])
    expect({ words, ...(await run(...words)) }).toMatchObject({ words, exitCode: 10 });
  // Of what could be several things none is meant.
  await run('build', context({ Dockerfile: 'FROM scratch\nCOPY f /1\nCOPY f /2\n', f: 'x' }));
  expect(await run('cache', 'show', '')).toMatchObject({ exitCode: 2 });
});

test('without a RUN there is nothing to compare', async () => {
  const { exitCode, stdout } = await made.wiac(['repro', root]);
  expect(stdout).toBe('nothing to compare: the result needs no RUN step\n');
  expect(exitCode).toBe(0);
});

test('an archive of an image is no cache', async () => {
  const archive = join(tempDir(), 'image.tar');
  await run('build', '-q', 'CONTEXT', '-o', `type=docker,dest=${archive}`);
  const { exitCode, stderr } = await run('cache', 'import', archive);
  expect(stderr).toContain(`wiac: there is no cache in ${archive}\n`);
  expect(stderr).not.toContain('skopeo');
  expect(exitCode).toBe(11);
});
