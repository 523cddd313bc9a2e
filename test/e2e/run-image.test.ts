/** `wiac run` of images that the store lacks. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Registry } from '../support/registry.js';
import { freePort, startRegistry } from '../support/registry.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, tempDir } from '../support/wiac.js';

const machine = warmMachines();

let registry: Registry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.stop());

/** Builds an image that prints a word, and writes it to some places. */
async function writeImage(word: string, ...references: string[]): Promise<void> {
  const { build, wiac } = machine();
  const Dockerfile = dockerfile(`RUN echo ${word} > /word`, 'CMD ["/bin/cat", "/word"]');
  await build(context({ Dockerfile }), '-t', 'app');
  for (const reference of references)
    expect(await wiac(['push', 'app', reference])).toMatchObject({ exitCode: 0 });
}

test('no image, but a directory of that name: both are told', async () => {
  const cwd = tempDir();
  mkdirSync(join(cwd, 'app'));
  const { wiac } = machine();
  const named = await wiac(['run', 'app'], { cwd });
  expect(named).toMatchObject({ exitCode: 125, stdout: '' });
  expect(named.stderr).toMatch(/no image app in the store, and app is a directory.*LOWERDIRS need/);
  expect(named.stderr).toContain('wiac pull app');
  const path = await wiac(['run', './app'], { cwd });
  expect(path.stderr).toMatch(/^wiac: LOWERDIRS need/);
});

test('an image of a registry is pulled once; --pull says otherwise', async () => {
  const reference = `${registry.host}/run:1`;
  const { wiac } = machine();
  expect(await wiac(['run', '--pull=never', reference])).toMatchObject({
    exitCode: 125,
    stdout: '',
    stderr: expect.stringContaining(`there is no image ${reference}`),
  });
  await writeImage('first', reference);
  expect(await wiac(['run', reference])).toEqual({
    exitCode: 0,
    stdout: 'first\n',
    stderr: `wiac: pulling ${reference}\n`,
  });
  await writeImage('second', reference);
  expect(await wiac(['run', reference])).toEqual({ exitCode: 0, stdout: 'first\n', stderr: '' });
  expect((await wiac(['run', '--pull=always', reference])).stdout).toBe('second\n');
  const never = await wiac(['run', '--pull=never', reference, '/bin/echo', 'other']);
  expect(never.stdout).toBe('other\n');
});

test.each([
  ['oci-layout', 'oci-layout://'],
  ['oci-archive', 'oci-archive:'],
  ['docker-archive', 'docker-archive:'],
])('%s: what the file says now; --pull=never: what it said', async (name, transport) => {
  const file = join(tempDir(), name);
  const reference = `${transport}${file}:app:1`;
  await writeImage('first', reference);
  const { wiac } = machine();
  expect((await wiac(['run', reference])).stdout).toBe('first\n');
  rmSync(file, { recursive: true });
  await writeImage('second', reference);
  expect((await wiac(['run', reference])).stdout).toBe('second\n');
  rmSync(file, { recursive: true });
  expect((await wiac(['run', '--pull=never', reference])).stdout).toBe('second\n');
  expect(await wiac(['run', reference])).toMatchObject({ exitCode: 125, stdout: '' });
});

describe('a name that leads nowhere', () => {
  test('the name of the store that it may mean is in the message', async () => {
    const { build, wiac } = machine();
    await build(context({ Dockerfile: dockerfile() }), '-t', `127.0.0.1:${await freePort()}/hello`);
    const stored = (await wiac(['images'])).stdout.split('\n')[1]?.split(':latest')[0] ?? '';
    const { exitCode, stderr } = await wiac(['run', `${registry.host}/nothing:1`]);
    expect(exitCode).toBe(125);
    expect(stderr).toContain('404');
    expect(stderr).toContain('./DIR');
    const mistyped = await wiac(['run', '--pull=never', stored.replace('hello', 'helo')]);
    expect(mistyped.stderr).toContain(`did you mean ${stored}?`);
  });

  test('what can be no reference is not looked for in a registry', async () => {
    const { exitCode, stderr } = await machine().wiac(['run', 'No Such Image']);
    expect(exitCode).toBe(125);
    expect(stderr).toContain('there is no image No Such Image');
    expect(stderr).not.toContain('pulling');
  });
});
