/** `wiac bake` and `wiac compose build`: several targets at once, in real stores. */
import { existsSync, readdirSync, readFileSync, renameSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { warmMachines } from '../support/warm-command.js';
import { repository, serveFiles } from '../support/web-server.js';
import type { BuildEvent, Machine } from '../support/wiac.js';
import { context, processesWith, ranSteps, tempDir, writeTree } from '../support/wiac.js';

const machine = warmMachines();

const SHARED = ['FROM scratch', 'COPY bin /bin', 'RUN echo "ran-$((40 + 2))" > /shared'];

/** Two Dockerfiles of one beginning, and a target that is made of another one. */
const BAKE = `
variable "WORD" { default = "usual" }
group "default" { targets = ["one", "two", "app"] }
target "one" { dockerfile = "one.Dockerfile" }
target "two" {
  dockerfile = "two.Dockerfile"
  tags = ["two:\${WORD}"]
  output = ["type=cacheonly"]
}
target "base" { dockerfile-inline = "${SHARED.join('\\n').replaceAll('"', '\\"').replaceAll('$', '\\u0024')}" }
target "app" {
  contexts = { base = "target:base" }
  args = { WORD = WORD }
  dockerfile-inline = <<-EOT
    FROM base
    ARG WORD
    RUN cat /shared > /app && echo $WORD >> /app
  EOT
  output = ["out"]
}`;

const project = () =>
  context({
    'docker-bake.hcl': BAKE,
    'one.Dockerfile': [...SHARED, 'RUN sleep 0.1; echo one > /one', ''].join('\n'),
    'two.Dockerfile': [...SHARED, 'RUN sleep 0.1; echo two > /two', ''].join('\n'),
  });

function eventsOf(stderr: string): BuildEvent[] {
  return stderr
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

/** Texts of the steps that ran; the last plan has those of all targets. */
function ran(stderr: string): string[] {
  return ranSteps(eventsOf(stderr).reverse()).sort();
}

/** How many steps ran at the same time, of all targets. */
function mostAtOnce(stderr: string): number {
  let [now, most] = [0, 0];
  for (const { type } of eventsOf(stderr)) {
    if (type === 'started') now += 1;
    if (type === 'finished') now -= 1;
    most = Math.max(most, now);
  }
  return most;
}

async function bake({ wiac }: Machine, cwd: string, args: string[], env = {}) {
  const result = await wiac(['bake', '--progress=json', ...args], { cwd, env });
  if (result.exitCode !== 0) throw new Error(result.stderr);
  const lines = result.stdout.split('\n').filter(Boolean);
  return { ...result, lines: lines.map((line) => line.split('\t')) };
}

describe('targets at once', () => {
  test('what three of them share runs once, with and without the cache', async () => {
    const one = machine();
    const cwd = project();
    const expected = [
      'COPY bin /bin',
      'RUN cat /shared > /app && echo $WORD >> /app',
      SHARED[2],
      'RUN sleep 0.1; echo one > /one',
      'RUN sleep 0.1; echo two > /two',
    ].sort();
    const metadata = join(cwd, 'metadata.json');
    const first = await bake(one, cwd, ['--metadata-file', metadata]);
    expect(ran(first.stderr)).toEqual(expected);
    expect(first.lines.map(([name]) => name)).toEqual(['one', 'two', 'app']);
    const [layer = ''] = first.lines.find(([name]) => name === 'two')?.[1]?.split(':') ?? [];
    expect(readFileSync(join(layer, 'two'), 'utf8')).toBe('two\n');
    expect(readFileSync(join(cwd, 'out/app'), 'utf8')).toBe('ran-42\nusual\n');
    expect(JSON.parse(readFileSync(metadata, 'utf8'))).toMatchObject({
      app: { 'wiac.lowerdir': first.lines.find(([name]) => name === 'app')?.[1] },
      one: {},
      two: { 'image.name': 'docker.io/library/two:usual' },
    });
    expect((await one.wiac(['images', '--format={{.Repository}}:{{.Tag}}'])).stdout).toBe(
      'two:usual\n',
    );

    const again = await bake(one, cwd, []);
    expect(ran(again.stderr)).toEqual([]);
    expect(again.stdout).toBe(first.stdout);
    const forced = await bake(one, cwd, ['--no-cache', '-j1']);
    expect(ran(forced.stderr)).toEqual(expected);
    expect(mostAtOnce(forced.stderr)).toBe(1);
    const changed = await bake(one, cwd, ['app', '--var', 'WORD=other']);
    expect(ran(changed.stderr)).toEqual(['RUN cat /shared > /app && echo $WORD >> /app']);
    expect(eventsOf(changed.stderr).at(-1)).toMatchObject({ type: 'built', executed: 1 });
    expect(readFileSync(join(cwd, 'out/app'), 'utf8')).toBe('ran-42\nother\n');
    const { stdout } = await one.wiac(['history', 'builds', '--json']);
    expect(JSON.parse(stdout)).toHaveLength(14);
  });

  test('several platforms, each made of the same one of another target', async () => {
    const cwd = context({
      file: 'x',
      'docker-bake.json': JSON.stringify({
        target: {
          base: {
            tags: ['unasked'],
            'dockerfile-inline': 'FROM scratch\nARG TARGETARCH\nCOPY file /$TARGETARCH\n',
          },
          default: {
            platforms: ['linux/arm64', 'linux/amd64'],
            contexts: { b: 'target:base' },
            'dockerfile-inline': 'FROM b\nCOPY --from=b / /copy\n',
          },
        },
      }),
    });
    const one = machine();
    const { lines } = await bake(one, cwd, []);
    expect((await one.wiac(['images', '-q'])).stdout).toBe('');
    expect(lines.map(([name]) => name)).toEqual(['default/linux/arm64', 'default/linux/amd64']);
    for (const [name = '', lowerdirs = ''] of lines) {
      const [top = ''] = lowerdirs.split(':');
      expect(existsSync(join(top, 'copy', name.slice(-5)))).toBe(true);
    }
  });

  test('the first that fails stops the others', async () => {
    const second = 'RUN sleep 15.125';
    const cwd = context({
      'docker-bake.hcl': `
        group "default" { targets = ["bad", "slow"] }
        target "bad" { dockerfile-inline = "FROM scratch\\nCOPY bin /bin\\nRUN sleep 0.4; false\\n" }
        target "slow" { dockerfile-inline = "FROM scratch\\nCOPY bin /bin\\n${second}\\n" }`,
    });
    const { exitCode, stderr, stdout } = await machine().wiac(['bake'], { cwd });
    expect([exitCode, stdout]).toEqual([5, '']);
    expect(stderr).toContain('[slow 0 3/3] stopped');
    expect(stderr).toContain('Dockerfile (inline):3');
    expect(processesWith('15.125')).toEqual([]);
  });
});

test('one page about all targets, and one summary of a CI job', async () => {
  const { wiac } = machine();
  const cwd = project();
  const file = (name: string) => join(cwd, name);
  const dataOf = (name: string) =>
    JSON.parse(/id="data">(.*?)<\/script>/.exec(readFileSync(file(name), 'utf8'))?.[1] ?? '');
  const env = { GITHUB_STEP_SUMMARY: file('summary.md') };
  const flags = ['--progress=github', '--report', 'page.html'];
  expect(await wiac(['bake', ...flags], { cwd, env })).toMatchObject({ exitCode: 0 });
  const { builds, exitCode, target } = dataOf('page.html');
  expect({ exitCode, target }).toEqual({ exitCode: 0, target: 'one, two, base, app' });
  const named = builds.map(({ platform }: { platform: string }) => platform.split(' ')[0]);
  expect(named).toEqual(['one', 'two', 'base', 'app']);
  const texts = builds.map(({ steps }: { steps: { text: string }[] }) => steps.at(-1)?.text);
  expect(texts[0]).toContain('echo one');
  expect(builds[3].layers.layers.length).toBeGreaterThan(1);
  const titles = readFileSync(file('summary.md'), 'utf8').match(/^### .*/gm);
  expect(titles).toEqual(['one', 'two', 'base', 'app'].map((name) => `### wiac bake ${name}`));

  writeTree(cwd, { 'two.Dockerfile': 'FROM scratch\nCOPY bin /bin\nRUN exit 7\n' });
  const failed = await wiac(['bake', ...flags], { cwd, env });
  expect(failed.exitCode).toBe(5);
  expect(dataOf('page.html')).toMatchObject({ exitCode: 5, error: { code: 'STEP_FAILED' } });
  expect(readFileSync(file('summary.md'), 'utf8')).toContain('**failed**');
  expect(await wiac(['bake', '--report', '/dev/null/x'], { cwd })).toMatchObject({
    exitCode: 2,
    stdout: '',
    stderr: expect.stringContaining('--report /dev/null/x: it cannot be written'),
  });
});

describe('mistakes and questions', () => {
  test('a mistake has its line, and an exit code of its own', async () => {
    const { wiac } = machine();
    const cwd = tempDir();
    writeTree(cwd, { 'docker-bake.hcl': 'target "default" {\n  tags = [TAG]\n}\n' });
    const text = await wiac(['bake'], { cwd });
    expect([text.exitCode, text.stderr]).toEqual([
      16,
      expect.stringMatching(
        /^wiac: docker-bake\.hcl:2:11: there is no variable TAG\n(.*\n)+hint: /,
      ),
    ]);
    const json = await wiac(['bake', '--progress=json'], { cwd });
    expect(JSON.parse(json.stderr)).toMatchObject({ type: 'error', code: 'BAKE_FILE' });
    expect(await wiac(['bake'], { cwd: tempDir() })).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('there is no bake file here'),
    });
  });

  test('nothing outside of the working directory is read, unless it is allowed', async () => {
    const { wiac, root } = machine();
    const [cwd, outside] = [tempDir(), tempDir()];
    symlinkSync(outside, join(cwd, 'link'));
    writeTree(outside, { Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
    writeTree(cwd, { 'docker-bake.hcl': 'target "default" { context = "link" }' });
    const refused = await wiac(['bake'], { cwd });
    expect([refused.exitCode, refused.stderr, existsSync(join(root, 'layers'))]).toEqual([
      2,
      expect.stringContaining(`--allow fs.read=${outside}`),
      false,
    ]);
    expect(await wiac(['bake', `--allow=fs.read=${outside}`], { cwd })).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^default\t/),
    });
    expect(await wiac(['bake', '--set', `default.context=${outside}`], { cwd })).toMatchObject({
      exitCode: 0,
    });
  });

  test('a file that is found is no link to one of the user, and no target makes a link for another', async () => {
    const { wiac } = machine();
    const [cwd, outside] = [tempDir(), tempDir()];
    writeTree(outside, { 'config.json': '{"auths": {"registry": "password"}}' });
    writeTree(cwd, {
      'files/x': 'x',
      'docker-bake.hcl': `
        target "default" {
          contexts = { first = "target:first" }
          dockerfile-inline = "FROM first"
          output = ["out/link"]
        }
        target "first" {
          dockerfile-inline = "FROM scratch\\nCOPY files /"
          output = ["out"]
        }
        group "all" { targets = ["first", "default"] }`,
    });
    symlinkSync(outside, join(cwd, 'files/link'));
    expect(await wiac(['bake', 'all'], { cwd })).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining(`--allow fs.write=${outside}`),
    });
    expect(existsSync(join(outside, 'x'))).toBe(false);
    const key = 'target "default" { contexts = { "a=/nosuch/b" = "c/.." } }';
    expect(await wiac(['bake', '-f', '-'], { cwd, input: key })).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('a=/nosuch/b is no name of a context'),
    });
    symlinkSync(join(outside, 'config.json'), join(cwd, 'docker-bake.override.json'));
    expect(await wiac(['bake', '--print'], { cwd })).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining(`--allow fs.read=${outside}/config.json`),
    });
  });

  test('--print of standard input, --list, --check', async () => {
    const { wiac } = machine();
    const cwd = tempDir();
    const printed = await wiac(['bake', '-f', '-', '--print', '--push'], {
      cwd,
      input: 'target "default" {}',
    });
    expect(JSON.parse(printed.stdout)).toEqual({
      group: { default: { targets: ['default'] } },
      target: {
        default: {
          context: '.',
          dockerfile: 'Dockerfile',
          output: [{ push: 'true', type: 'image' }],
        },
      },
    });
    writeTree(cwd, {
      'docker-bake.hcl': 'target "default" { description = "it" }',
      Dockerfile: 'from scratch\nCOPY x /\n',
    });
    const tagged = ['bake', '-f', '-', '--print', '--var', 'B=option'];
    const asked = {
      cwd,
      input: 'variable "A" {}\nvariable "B" {}\ntarget "default" { tags = [A, B] }',
    };
    for (const [hidden, tags] of [
      ['0', ['env', 'option']],
      ['1', ['option']],
    ] as const) {
      const env = { A: 'env', B: 'env', BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP: hidden };
      const { stdout } = await wiac(tagged, { ...asked, env });
      expect(JSON.parse(stdout).target.default.tags).toEqual(tags);
    }
    const listed = await wiac(['bake', '--list=targets'], { cwd });
    expect(listed.stdout).toBe('TARGET   DESCRIPTION\ndefault  it\n');
    const checked = await wiac(['bake', '--check'], { cwd });
    expect([checked.exitCode, checked.stdout]).toEqual([1, expect.stringContaining('casing')]);
  });
});

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

test.each(['app.output', '*.cache-to', 'app.contexts.x', 'app.secrets'])(
  '--set %s= takes away what the file says, and allows nothing',
  async (field) => {
    const { wiac } = machine();
    const cwd = context({ 'docker-bake.hcl': 'target "app" { output = ["/elsewhere"] }' });
    const { exitCode, stderr } = await wiac(['bake', '--print', 'app', `--set=${field}=`], { cwd });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  },
);

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

describe('a definition of a repository', () => {
  const FILES = {
    'docker-bake.hcl': `
      group "default" { targets = ["top", "deep"] }
      target "top" { dockerfile = "top.Dockerfile" }
      target "deep" { context = "sub" }
      target "here" {
        context = "cwd://"
        dockerfile-inline = "FROM scratch\\nCOPY local /local\\n"
      }
      target "away" { context = "cwd://../" }
      target "secret" { secret = ["id=x,src=/etc/passwd"] }
      target "command" { args = { C = BAKE_CMD_CONTEXT } }`,
    'other.hcl': 'target "default" { args = { A = "other" } }',
    'compose.yaml': 'include: [sub/more.yaml]',
    'sub/more.yaml': 'services: { more: { build: . } }',
    'top.Dockerfile': 'FROM scratch\nCOPY file /top\n',
    file: 'of the repository',
    'sub/Dockerfile': 'FROM scratch\nCOPY below /deep\n',
    'sub/below': 'of a directory in it',
  };

  test('its contexts are in there; cwd:// is here, and nothing else of here is read', async () => {
    const one = machine();
    const { root, git } = await repository(FILES);
    const cwd = tempDir();
    writeTree(cwd, { local: 'of here', 'local.hcl': 'target "top" { args = { B = "here" } }' });
    const address = `file://${root}/r.git#main`;
    const env = { TMPDIR: tempDir() };
    const wiac = (...args: string[]) => one.wiac(['bake', address, ...args], { cwd, env });
    const { lines } = await bake(one, cwd, [address, 'top', 'deep', 'here'], env);
    const contents = lines.map(([name = '', layer = '']) =>
      readFileSync(join(layer, name === 'here' ? 'local' : name), 'utf8'),
    );
    expect(contents).toEqual(['of the repository', 'of a directory in it', 'of here']);

    const printed = await wiac('--print', '-f', 'docker-bake.hcl', '-f', 'cwd://local.hcl');
    expect(JSON.parse(printed.stdout).target).toEqual({
      top: { context: address, dockerfile: 'top.Dockerfile', args: { B: 'here' } },
      deep: { context: `${address}:sub`, dockerfile: 'Dockerfile' },
    });
    const more = await wiac('--print', 'more');
    expect(JSON.parse(more.stdout).target.more.context).toBe(`${address}:sub`);
    const other = await one.wiac(
      ['bake', `file://${root}/r.git`, 'https://example.org/c.git', 'command', '--print'],
      { cwd, env },
    );
    expect(other.stdout).toContain('"C": "https://example.org/c.git"');

    const refusals: [string[], string][] = [
      [['away'], `--allow fs.read=${dirname(cwd)}`],
      [['secret'], '--allow fs.read=/etc/passwd'],
      [['-f', '../x.hcl'], 'leads out of the repository'],
      [['-f', 'nosuch.hcl'], 'there is no such file'],
      [['nosuch'], 'there is no target nosuch'],
    ];
    for (const [args, message] of refusals)
      expect(await wiac(...args)).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining(message),
      });
    await git('checkout', '-q', '-b', 'links');
    symlinkSync('/etc/hostname', join(root, 'work/docker-bake.json'));
    await git('add', '.');
    await git('commit', '-q', '-m', 'two');
    await git('push', '-q', join(root, 'r.git'), 'links');
    const link = await one.wiac(['bake', `file://${root}/r.git#links`, '--print'], { cwd, env });
    expect([link.exitCode, link.stderr]).toEqual([2, expect.stringContaining('leads out of')]);
    expect(readdirSync(env.TMPDIR)).toEqual([]);
  });

  test('one file of a web server, and an archive', async () => {
    const root = tempDir();
    writeTree(root, {
      'one.hcl': 'target "default" { dockerfile-inline = "FROM scratch\\nCOPY local /" }',
    });
    const files = tempDir();
    writeTree(files, FILES);
    await execa('tar', ['-C', files, '-cf', join(root, 'all.tar'), '.']);
    const server = await serveFiles(root);
    try {
      const one = machine();
      const cwd = tempDir();
      writeTree(cwd, { local: 'of here' });
      const { lines } = await bake(one, cwd, [`http://${server.host}/one.hcl`]);
      expect(readFileSync(join(lines[0]?.[1] ?? '', 'local'), 'utf8')).toBe('of here');
      const all = `http://${server.host}/all.tar`;
      const top = await bake(one, cwd, [all, 'top']);
      expect(readFileSync(join(top.lines[0]?.[1] ?? '', 'top'), 'utf8')).toBe('of the repository');
      const deep = await one.wiac(['bake', all, 'deep'], { cwd });
      expect(deep.stderr).toContain('a directory of an archive can be no context');
    } finally {
      server.stop();
    }
  });
});
