/** action.yml and templates/: valid for their systems, and their commands do what they should. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NoOperationTraceWriter, parseWorkflow } from '@actions/workflow-parser';
import { parseAction } from '@actions/workflow-parser/actions/index';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { parse } from 'yaml';
import type { GhaServer } from '../support/gha.js';
import { startGha } from '../support/gha.js';
import type { Registry } from '../support/registry.js';
import { startRegistry } from '../support/registry.js';
import { context, dockerfile, tempDir, WIAC } from '../support/wiac.js';

let registry: Registry;
let gha: GhaServer;
beforeAll(async () => {
  [registry, gha] = await Promise.all([startRegistry(), startGha()]);
});
afterAll(() => Promise.all([registry.stop(), gha.stop()]));

const read = (path: string) => readFileSync(path, 'utf8');

interface Step {
  readonly name: string;
  readonly run?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly with?: { readonly script: string };
}
const ACTION = parse(read('action.yml')) as {
  readonly inputs: Readonly<Record<string, { readonly default?: string }>>;
  readonly runs: { readonly steps: readonly Step[] };
};

const WORKFLOW = /```yaml\n(.*?)```/s.exec(read('docs/ci.md'))?.[1] ?? '';

/** A machine that is thrown away: `wiac` is this one, `npm` only notes what it is asked. */
function runner() {
  const bin = tempDir();
  const npm = join(bin, 'npm.log');
  writeFileSync(join(bin, 'wiac'), `#!/bin/sh\nexec ${process.execPath} ${WIAC} "$@"\n`, {
    mode: 0o755,
  });
  writeFileSync(
    join(bin, 'npm'),
    `#!/bin/sh\necho "$*" >> ${npm}\n[ "$1" != pack ] || echo wiac.tgz\n`,
    { mode: 0o755 },
  );
  const temp = tempDir();
  const env = {
    PATH: `${bin}:${process.env.PATH}`,
    WIAC_ROOT: join(tempDir(), 'store'),
    HOME: temp,
    REGISTRY_AUTH_FILE: join(temp, 'auth.json'),
  };
  return { temp, env, npm: () => read(npm) };
}

/** What GitHub does with the steps of an action that have `run`. */
async function runAction(given: Readonly<Record<string, string>>, more: Record<string, string>) {
  const { temp, env, npm } = runner();
  const expressions: Record<string, string> = {
    'github.action_path': '/the/action',
    'steps.runtime.outputs.token': gha.token('refs/heads/x'),
    'steps.runtime.outputs.url': gha.url,
    'github.head_ref || github.ref_name': 'main',
    "github.event.repository.default_branch || 'main'": 'main',
    ...more,
  };
  for (const [name, input] of Object.entries(ACTION.inputs))
    expressions[`inputs.${name}`] = given[name] ?? input.default ?? '';
  const files = Object.fromEntries(
    ['GITHUB_PATH', 'GITHUB_OUTPUT', 'GITHUB_STEP_SUMMARY'].map((name) => [name, join(temp, name)]),
  );
  for (const file of Object.values(files)) writeFileSync(file, '');
  let log = '';
  for (const { run, env: own = {} } of ACTION.runs.steps) {
    if (run === undefined) continue;
    const variables = Object.entries(own).map(([name, value]) => [
      name,
      value.replace(/\$\{\{ (.*?) \}\}/g, (_, expression: string) => {
        const found = expressions[expression];
        if (found === undefined) throw new Error(`what is ${expression}?`);
        return found;
      }),
    ]);
    const all = { ...env, ...files, RUNNER_TEMP: temp, ...Object.fromEntries(variables) };
    const options = { env: all, extendEnv: false, all: true, reject: false } as const;
    // As GitHub: bash --noprofile --norc -eo pipefail {0}
    const flags = ['--noprofile', '--norc', '-eo', 'pipefail', '-c', run];
    const result = await execa('bash', flags, options);
    log += `${result.all}\n`;
    if (result.exitCode !== 0) return { log, failed: true, files, npm };
  }
  return { log, failed: false, files, npm };
}

describe('action.yml', () => {
  const errorsOf = (content: string) =>
    parseAction({ name: 'action.yml', content }, new NoOperationTraceWriter())
      .context.errors.getErrors()
      .map(String);

  test('is an action, as GitHub reads it', () => {
    expect(errorsOf(read('action.yml'))).toEqual([]);
    expect(errorsOf(read('action.yml').replace('shell: bash', 'shel: bash'))).toEqual([
      expect.stringContaining("Unexpected value 'shel'"),
      expect.anything(),
    ]);
  });

  test('the workflow of docs/ci.md is one, as GitHub reads it, and has no input that the action lacks', () => {
    const { context } = parseWorkflow(
      { name: 'workflow.yml', content: WORKFLOW },
      new NoOperationTraceWriter(),
    );
    expect(context.errors.getErrors().map(String)).toEqual([]);
    const steps = Object.values<{ steps: { uses?: string; with?: object }[] }>(
      parse(WORKFLOW).jobs,
    ).flatMap((job) => job.steps);
    const ours = steps.filter(({ uses }) => uses?.includes('/wiac@'));
    expect(ours).toHaveLength(1);
    for (const name of Object.keys(ours[0]?.with ?? {})) expect(ACTION.inputs).toHaveProperty(name);
  });

  test('the table of docs/ci.md has every input', () => {
    const table = /\| input \|.*?\n\n/s.exec(read('docs/ci.md'))?.[0] ?? '';
    const named = [...table.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name);
    expect(named).toEqual(expect.arrayContaining(Object.keys(ACTION.inputs)));
  });

  test('no command has an expression in it: what people name branches is no program', () => {
    for (const { run, with: given } of ACTION.runs.steps)
      expect(`${run ?? given?.script}`).not.toContain('${{');
  });

  test('the token of the cache service goes from the job to the build', async () => {
    const { script = '' } = ACTION.runs.steps.find((step) => step.with)?.with ?? {};
    const outputs: Record<string, string> = {};
    const core = {
      setSecret: () => undefined,
      setOutput: (name: string, value: string) => {
        outputs[name] = value;
      },
    };
    const env = { ACTIONS_RUNTIME_TOKEN: 'a', ACTIONS_RESULTS_URL: 'b' };
    new Function('core', 'process', script)(core, { env });
    expect(outputs).toEqual({ token: 'a', url: 'b' });
  });

  test('a second job finds the steps of the first one in its branch, and of the default branch', async () => {
    const root = context({ Dockerfile: dockerfile('ARG who', 'RUN echo $who > /who') });
    const branch = { 'github.head_ref || github.ref_name': 'feat/"a,b"' };
    const tag = `${registry.host}/app`;
    const given = { context: root, push: 'true', tags: `${tag}:one\n\n${tag}:two\n` };
    const you = { ...given, 'build-args': 'who=you\n' };
    const first = await runAction(you, branch);
    expect({ log: first.log, failed: first.failed }).toEqual({
      log: expect.stringContaining('::group::[0 4/4] RUN echo $who > /who'),
      failed: false,
    });
    expect(first.npm()).toMatch(
      /^install --prefix \/the\/action [\s\S]*install --global .*wiac\.tgz\n$/,
    );
    expect(read(first.files.GITHUB_OUTPUT ?? '')).toMatch(/^digest=sha256:[0-9a-f]{64}\n$/);
    expect(read(first.files.GITHUB_PATH ?? '')).toMatch(/\/wiac\/bin\n$/);
    expect(read(first.files.GITHUB_STEP_SUMMARY ?? '')).toContain('0 of 2 steps from the cache');
    expect(gha.entries.map(({ key }) => key)).toContain('wiac-list-1-feat%2F%22a%2Cb%22#000001');
    const second = await runAction(you, branch);
    expect(read(second.files.GITHUB_STEP_SUMMARY ?? '')).toContain('2 of 2 steps from the cache');
    expect(read(second.files.GITHUB_OUTPUT ?? '')).toBe(read(first.files.GITHUB_OUTPUT ?? ''));
    // The job of the default branch; another branch begins with what that one has.
    const token = { 'steps.runtime.outputs.token': gha.token('main') };
    const me = { context: root, 'build-args': 'who=me' };
    await runAction(me, token);
    const other = await runAction(me, { 'github.head_ref || github.ref_name': 'y' });
    expect(read(other.files.GITHUB_STEP_SUMMARY ?? '')).toContain('2 of 2 steps from the cache');
  });

  test('a cache in a registry, mounts as well; further options; none', async () => {
    const root = context({
      Dockerfile: dockerfile('ARG x', 'RUN --mount=type=cache,target=/c cat /c/*; echo $x > /c/$x'),
    });
    const cache = { context: root, cache: `${registry.host}/cache` };
    const branch = { 'github.head_ref || github.ref_name': '-feat/ü' };
    await runAction({ ...cache, args: '--build-arg\nx=first' }, branch);
    const second = await runAction({ ...cache, args: '--build-arg=x=second' }, branch);
    expect(second.log).toMatch(/^first$/m);
    const without = await runAction({ ...cache, cache: 'none', file: join(root, 'no') }, {});
    expect(without).toMatchObject({ failed: true, log: expect.stringContaining('::error ') });
  });

  test('a step that fails is an annotation at its line, and in the summary', async () => {
    const root = context({ Dockerfile: dockerfile('RUN echo ::error::forged; exit 3') });
    const { log, failed, files } = await runAction({ context: root, cache: 'none' }, {});
    expect(failed).toBe(true);
    expect(log).toMatch(/^::error file=.*Dockerfile,line=3,title=wiac%3A STEP_FAILED::/m);
    expect(log).toMatch(
      /^::stop-commands::([0-9a-f]{32})\n(?:(?!::\1::)[\s\S])*^::error::forged$/m,
    );
    expect(read(files.GITHUB_STEP_SUMMARY ?? '')).toContain('**failed**');
  });
});

describe('the summary file', () => {
  test('grows no larger than what GitHub takes', async () => {
    const { temp, env } = runner();
    const GITHUB_STEP_SUMMARY = join(temp, 'summary');
    const root = context({ Dockerfile: dockerfile() });
    const build = async (size: number) => {
      writeFileSync(GITHUB_STEP_SUMMARY, 'x'.repeat(size));
      await execa('wiac', ['build', '--progress=github', root], {
        env: { ...env, GITHUB_STEP_SUMMARY },
      });
      return read(GITHUB_STEP_SUMMARY).slice(size);
    };
    const limit = 1024 * 1024;
    expect(await build(limit - 200)).toMatch(/^### wiac build\n[\s\S]*The rest is left out/);
    expect(await build(limit - 10)).toBe('');
    // A file that can't be written is a warning.
    const other = { env: { ...env, GITHUB_STEP_SUMMARY: temp }, all: true } as const;
    const { all } = await execa('wiac', ['build', '--progress=github', root], other);
    expect(all).toContain('::warning::the summary was not written');
  });

  test('build --check: annotations at lines; JSON stays JSON', async () => {
    const { env } = runner();
    const root = context({ Dockerfile: 'FROM scratch\nCMD echo hi\n' });
    const check = ['build', '--progress=github', '--check'];
    const run = (...flags: string[]) =>
      execa('wiac', [...check, ...flags, root], { env, reject: false });
    const text = await run();
    expect(text.exitCode).toBe(1);
    expect(text.stdout).toMatch(/^::warning file=.*Dockerfile,line=2,title=JSONArgsRecommended::/m);
    const json = await run('--format=json');
    expect(JSON.parse(json.stdout).warnings).toHaveLength(1);
    expect(json.stderr).toContain('title=JSONArgsRecommended::');
  });
});

describe('templates', () => {
  /** A checkout where the commands of a template run, as its system would run them. */
  async function runCommands(
    commands: readonly string[],
    variables: Record<string, string>,
    program: string,
  ) {
    const { env, npm } = runner();
    const cwd = context({ Dockerfile: dockerfile('RUN echo made > /made') });
    const all = { ...env, WIAC_PACKAGE: 'wiac', ...variables };
    const { all: log, exitCode } = await execa('sh', ['-e', '-c', commands.join('\n')], {
      cwd,
      env: all,
      extendEnv: false,
      all: true,
      reject: false,
    });
    expect({ program, log, exitCode }).toMatchObject({ exitCode: 0 });
    expect(npm()).toMatch(/^install --global .*wiac\n$/);
    return log;
  }

  /** GitLab's schema, with which gitlab-ci-local checks what it reads. */
  async function gitlabSays(text: string) {
    const cwd = tempDir();
    writeFileSync(join(cwd, '.gitlab-ci.yml'), text);
    const program = join(process.cwd(), 'node_modules/.bin/gitlab-ci-local');
    return execa(program, ['--list'], { cwd, reject: false, all: true });
  }

  test('gitlab-ci.yml is valid, and its job builds, pushes and caches', async () => {
    const text = read('templates/gitlab-ci.yml');
    expect(await gitlabSays(text)).toMatchObject({ exitCode: 0 });
    const broken = await gitlabSays(text.replace('before_script:', 'before_scripts:'));
    expect([broken.exitCode, broken.all]).toEqual([
      1,
      expect.stringContaining("'before_scripts' property"),
    ]);
    const job = parse(text)['.wiac'];
    const image = `${registry.host}/gitlab`;
    const variables = {
      CI_REGISTRY: registry.host,
      CI_REGISTRY_USER: 'user',
      CI_REGISTRY_PASSWORD: 'password',
      CI_COMMIT_REF_SLUG: 'feat-a',
      CI_DEFAULT_BRANCH: 'main',
      WIAC_IMAGE: `${image}:feat-a`,
      WIAC_CACHE: `${image}/cache`,
      WIAC_CONTEXT: job.variables.WIAC_CONTEXT,
    };
    const commands = [...job.before_script, ...job.script];
    expect(await runCommands(commands, variables, 'gitlab')).toContain('section_start:');
    const second = await runCommands(commands, variables, 'gitlab');
    expect(second).toContain('2 steps cached, 0 run');
    expect(second).not.toContain('warning');
  });

  test('woodpecker.yml: npm has no schema of it; its step has what the documentation asks for', async () => {
    const { steps, when } = parse(read('templates/woodpecker.yml'));
    expect(when).toEqual([{ event: ['push', 'manual'] }]);
    const [step] = steps;
    expect(Object.keys(step).sort()).toEqual(
      ['commands', 'environment', 'image', 'name', 'privileged'].sort(),
    );
    const image = `${registry.host}/woodpecker`;
    const variables = {
      WIAC_REGISTRY: registry.host,
      WIAC_IMAGE: image,
      REGISTRY_USER: 'user',
      REGISTRY_PASSWORD: 'password',
      CI_COMMIT_BRANCH: 'feat/a',
      CI_REPO_DEFAULT_BRANCH: 'main',
    };
    await runCommands(step.commands, variables, 'woodpecker');
    const second = await runCommands(step.commands, variables, 'woodpecker');
    expect(second).toContain('2 steps cached, 0 run');
  });

  test('Jenkinsfile: its shell builds, pushes and caches', async () => {
    const text = read('templates/Jenkinsfile');
    const blocks = [...text.matchAll(/sh '''\n(.*?)'''/gs)].map(([, block = '']) => block);
    expect(blocks).toHaveLength(2);
    const balance = (open: string, close: string) =>
      text.split(open).length - text.split(close).length;
    expect([balance('{', '}'), balance('(', ')')]).toEqual([0, 0]);
    const job = () => ({
      WIAC_REGISTRY: registry.host,
      WIAC_IMAGE: `${registry.host}/jenkins`,
      REGISTRY_USR: 'user',
      REGISTRY_PSW: 'password',
      BRANCH_NAME: 'feat/a',
      DEFAULT_BRANCH: 'main',
      WORKSPACE_TMP: tempDir(),
    });
    await runCommands(blocks, job(), 'jenkins');
    expect(await runCommands(blocks, job(), 'jenkins')).toContain('2 steps cached, 0 run');
  });
});
