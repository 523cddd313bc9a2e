/** `wiac compose build` and bake's compose files, in real stores. */
import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { warmMachines } from '../support/warm-command.js';
import { context, tempDir, writeTree } from '../support/wiac.js';

const machine = warmMachines();

test('wiac compose build: services, variables, secrets, a service as a context', async () => {
  const one = machine();
  const cwd = context({
    '.env': 'GREETING=hello\n',
    token: 'hunter2',
    'compose.yaml': `
name: shop
services:
  web:
    build:
      context: .
      args: { GREETING: "\${GREETING} \${WHO:-you}" }
      additional_contexts: { tools: "service:tools" }
      secrets: [token]
      extra_hosts: ["db=10.1.2.3"]
      dockerfile_inline: |
        FROM tools
        ARG GREETING
        RUN --mount=type=secret,id=token echo "$$GREETING $$(cat /run/secrets/token)" > /web && cat /etc/hosts > /hosts
  tools:
    image: shop/tools:1
    build: tools
secrets:
  token: { file: ./token }
`,
  });
  writeTree(cwd, { 'tools/Dockerfile': 'FROM scratch\nCOPY bin /bin\n', 'below/x': '' });
  renameSync(join(cwd, 'bin'), join(cwd, 'tools/bin'));
  const { exitCode, stdout, stderr } = await one.wiac(['compose', 'build', 'web'], {
    cwd: join(cwd, 'below'),
  });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: expect.stringContaining('[web 0') });
  const [, lowerdirs = ''] = /^web\t(.*)\n$/.exec(stdout) ?? [];
  const [top = ''] = lowerdirs.split(':');
  expect(readFileSync(join(top, 'web'), 'utf8')).toBe('hello you hunter2\n');
  expect(readFileSync(join(top, 'hosts'), 'utf8')).toContain('10.1.2.3\tdb');
  const images = await one.wiac(['images', '--format={{.Repository}}:{{.Tag}}']);
  // What a service is made of is no image, unless somebody asks for that.
  expect(images.stdout).toBe('shop-web:latest\n');
  const printed = await one.wiac(['compose', 'build', '--print', '--no-cache', 'tools'], { cwd });
  expect(JSON.parse(printed.stdout)).toMatchObject({ target: { tools: { 'no-cache': true } } });
});

test('.env says what the project is called, which files it has and which profiles', async () => {
  const { wiac } = machine();
  const cwd = context({
    '.env': 'COMPOSE_FILE=a.yaml:b.yaml\nCOMPOSE_PROJECT_NAME=named\nCOMPOSE_PROFILES=more,most\n',
    'a.yaml': 'services: { app: { build: . } }',
    'b.yaml':
      'services: { tool: { build: ., profiles: [more] }, no: { build: ., profiles: [less] } }',
    'sub/x': '',
  });
  const tagsOf = async (env: Record<string, string>, ...words: string[]) => {
    const { stdout } = await wiac(['compose', ...words], { cwd, env });
    const { target } = JSON.parse(stdout);
    return Object.values(target as Record<string, { tags: string[] }>).flatMap((each) => each.tags);
  };
  const tags = (env: Record<string, string>, ...args: string[]) =>
    tagsOf(env, 'build', '--print', ...args);
  expect(await tags({})).toEqual(['named-app', 'named-tool']);
  expect(await tags({ COMPOSE_PROFILES: '', COMPOSE_PROJECT_NAME: 'own' })).toEqual(['own-app']);
  expect(await tags({ COMPOSE_FILE: 'a.yaml' }, '-p', 'given')).toEqual(['given-app']);
  // As docker compose has them.
  const before = ['-f', 'b.yaml', '-p', 'given', '--profile=less', 'build'];
  expect(await tagsOf({ COMPOSE_PROFILES: '' }, ...before, '-f', 'a.yaml', '--print')).toEqual([
    'given-app',
    'given-no',
  ]);
});

test('compose files include and extend others; bake reads none that is not allowed', async () => {
  const { wiac } = machine();
  const outside = tempDir();
  const cwd = context({
    'compose.yaml': `
include: [lib/compose.yaml, "\${MORE:-lib/none.yaml}"]
services:
  app:
    extends: { file: lib/common.yaml, service: base }
    build: { args: { WORD: app } }
`,
    'lib/.env': 'FILE=f\n',
    'lib/f': 'of lib',
    'lib/none.yaml': 'services: {}',
    'lib/compose.yaml':
      'services: { lib: { build: { dockerfile_inline: "FROM scratch\\nCOPY ${FILE} /f" } } }',
    'lib/common.yaml':
      'services: { base: { build: { context: ., dockerfile_inline: "FROM scratch\\nARG WORD\\nCOPY f /$$WORD" } } }',
  });
  const { stdout, exitCode, stderr } = await wiac(['compose', 'build', '-q'], { cwd });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  const files = stdout.split('\n').flatMap((line) => {
    const [name = '', layer] = line.split('\t');
    return layer === undefined
      ? []
      : [readFileSync(join(layer, name === 'lib' ? 'f' : name), 'utf8')];
  });
  expect(files).toEqual(['of lib', 'of lib']);
  writeTree(outside, { 'x.yaml': 'services: { x: { build: . } }' });
  const env = { MORE: join(outside, 'x.yaml') };
  const bake = (...args: string[]) => wiac(['bake', '--print', ...args], { cwd, env });
  expect(await bake()).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining(`--allow fs.read=${outside}/x.yaml`),
  });
  const allowed = await bake(`--allow=fs.read=${outside}`);
  expect(JSON.parse(allowed.stdout)).toMatchObject({ target: { x: { context: outside } } });
});

test('services of which none is built: nothing is done, and that is no error, as with docker compose', async () => {
  const { wiac } = machine();
  const cwd = context({
    'compose.yaml':
      'services: { db: { image: x, command: "echo $(date) $1" }, off: { profiles: [p], build: . } }',
  });
  const nothing = { exitCode: 0, stdout: '', stderr: expect.stringContaining('build section') };
  expect(await wiac(['compose', 'build'], { cwd })).toMatchObject(nothing);
  expect(await wiac(['compose', 'build', 'db'], { cwd })).toMatchObject(nothing);
  expect(await wiac(['compose', 'build', 'nosuch'], { cwd })).toMatchObject({ exitCode: 2 });
});
