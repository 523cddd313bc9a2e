/** `wiac bake`: several targets at once, in real stores. */
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { bake } from '../support/bake.js';
import { warmMachines } from '../support/warm-command.js';
import type { BuildEvent } from '../support/wiac.js';
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

test.each(['app.output', '*.cache-to', 'app.contexts.x', 'app.secrets'])(
  '--set %s= takes away what the file says, and allows nothing',
  async (field) => {
    const { wiac } = machine();
    const cwd = context({ 'docker-bake.hcl': 'target "app" { output = ["/elsewhere"] }' });
    const { exitCode, stderr } = await wiac(['bake', '--print', 'app', `--set=${field}=`], { cwd });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  },
);
