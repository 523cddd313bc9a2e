/** docs/json.md says what each answer has. */
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile } from '../support/wiac.js';

const PAGE = readFileSync('docs/json.md', 'utf8');
const machine = warmMachines();

/** Members that a section names; those that are not always there are marked. */
function membersOf(command: string): { always: string[]; ifAny: string[] } {
  const [, section = ''] = PAGE.split(`\n## wiac ${command}\n`);
  const [own = ''] = section.split('\n## ');
  const names = [...own.matchAll(/^\| (?!member|---)([^|]+) \|/gm)].flatMap(([, cell = '']) =>
    cell.split(', '),
  );
  const marked = / \(if any\)$/;
  return {
    always: names.filter((name) => !marked.test(name)),
    ifAny: names.filter((name) => marked.test(name)).map((name) => name.replace(marked, '')),
  };
}

test('each answer has the members of its section, and no others', async () => {
  const { wiac, build } = machine();
  const root = context({
    Dockerfile: dockerfile(
      'COPY f /f',
      'RUN --mount=type=cache,target=/c echo 1 > /c/x; ln -s f /link',
    ),
    f: 'f',
  });
  await build(root, '-t', 'app');
  const json = async (words: string, ...more: string[]) => {
    const { stdout, stderr, exitCode } = await wiac([...words.split(' '), ...more]);
    expect({ words, exitCode, stderr }).toEqual({ words, exitCode: 0, stderr: '' });
    return JSON.parse(stdout);
  };
  const [{ key: copied }, { key: ran }] = (await json('cache ls --format json')).filter(
    ({ text }: { text: string }) => /^(RUN|COPY f)/.test(text),
  );
  const answers: Record<string, string[]> = {
    'cache ls': [],
    'cache find': ['/link'],
    'cache show': [ran],
    'cache tree': [],
    'cache diff': [copied, ran],
    'cache du': [],
    'cache mounts ls': [],
    'cache verify': [],
    plan: [root],
    why: [root],
    images: [],
    history: ['app'],
    'cache prune': ['--dry-run'],
  };
  const sections = [...PAGE.matchAll(/^## wiac (.+)$/gm)].map(([, command]) => command ?? '');
  expect(sections.sort()).toEqual(Object.keys(answers).sort());
  for (const [command, operands] of Object.entries(answers)) {
    const answer = await json(command, ...operands, '--format', 'json');
    const found = Object.keys(Array.isArray(answer) ? answer[0] : answer);
    const { always, ifAny } = membersOf(command);
    expect({ command, members: found.filter((name) => !ifAny.includes(name)).sort() }).toEqual({
      command,
      members: always.sort(),
    });
  }
});
