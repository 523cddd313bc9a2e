/** Completion in the shells themselves. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { completionScript } from '../../src/cli/completion-scripts.js';
import { context, dockerfile, machine, tempDir, WIAC } from '../support/wiac.js';

/** A clone with a build that has a name. */
async function prepare(): Promise<{ env: Record<string, string>; cwd: string }> {
  const bin = tempDir();
  writeFileSync(join(bin, 'wiac'), `#!/bin/sh\nexec ${process.execPath} ${WIAC} "$@"\n`, {
    mode: 0o755,
  });
  const cwd = context({
    Dockerfile: dockerfile('FROM scratch AS final', 'COPY bin /bin'),
    'a file': '',
  });
  const made = machine();
  await made.wiac(['build', '-q', '-t', 'name:tag', cwd]);
  return { cwd, env: { PATH: `${bin}:${process.env.PATH}`, WIAC_ROOT: made.root } };
}

/** Prints what a shell completes of each line, a line of output each. */
const SHELLS = {
  bash: (lines: string[]) => [
    'source <(wiac completion bash)',
    ...lines.map(
      (line) =>
        `COMP_LINE='wiac ${line}' COMP_POINT=${line.length + 5} _wiac 2> /dev/null; echo "\${COMPREPLY[*]}"`,
    ),
  ],
  zsh: (lines: string[]) => [
    // Those of the completion system, which only an interactive shell has.
    'compdef() { :; }; _describe() { print -rn -- "${(@)found%%:*} " }; _files() { print -rn -- "FILES" }',
    'source <(wiac completion zsh)',
    ...lines.map(
      (line) => `words=(wiac "\${(@s: :)\${:-"${line}"}}"); CURRENT=$#words; _wiac; print`,
    ),
  ],
  fish: (lines: string[]) => [
    'wiac completion fish | source',
    ...lines.map(
      (line) => `complete -C 'wiac ${line}' | string replace -r '\\t.*' '' | string join ' '`,
    ),
  ],
};

test.each(Object.entries(SHELLS))('%s', async (shell, script) => {
  const { env, cwd } = await prepare();
  const lines = [
    'bui',
    'build --progress=js',
    'build --target fi',
    'rmi na',
    'why . s2',
    'build a',
  ];
  const { stdout } = await execa(shell, ['-c', script(lines).join('\n')], {
    env,
    cwd,
    reject: false,
  });
  const [command, value, stage, image, step, file = ''] = stdout.split('\n');
  expect([command, stage, image, step].map((text) => text?.trim())).toEqual([
    'build',
    'final',
    expect.stringMatching(/^(name:)?tag$|^name\\$/),
    's2',
  ]);
  expect(value?.trim()).toMatch(/^(--progress=)?json$/);
  expect(file).toMatch(shell === 'zsh' ? 'FILES' : 'a file');
});

test('bash gets names that mean nothing else to it', async () => {
  const script = [
    completionScript('bash'),
    "wiac() { printf '%s\\tx\\n' 'a$(touch x)' 'a b;c' --id=d a/e:f '`g`'; }",
    `COMP_LINE='wiac a' COMP_POINT=6 _wiac; eval "printf '%s\\n' \${COMPREPLY[*]}"`,
  ];
  const { stdout } = await execa('bash', ['-c', script.join('\n')]);
  expect(stdout.split('\n')).toEqual(['a$(touch x)', 'a b;c', '--id=d', 'a/e:f', '`g`']);
});

test('what can’t be known is no error', async () => {
  const { wiac } = machine();
  await wiac(['build', '-q', context({ Dockerfile: 'FROM scratch AS made\nLABEL a=b\n' })]);
  const cwd = tempDir();
  await execa('mkfifo', [join(cwd, 'Dockerfile')]);
  const pipe = await wiac(['__complete', 'build', '--target', ''], { cwd });
  expect(pipe).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  const gone = await wiac(['__complete', 'why', '/nosuch', '']);
  expect(gone).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  expect((await wiac(['completion', 'tcsh'])).exitCode).toBe(2);
});
