/** --help of every command: 80 columns, in groups. */
import { describe, expect, test } from '@jest/globals';
import type { Command } from 'commander';
import { createProgram } from '../../src/cli/program.js';

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

const PROGRAM = createProgram(() => {});

test.each(allCommands(PROGRAM).map((command) => [command.name(), command] as const))(
  '%s fits 80 columns',
  (_name, command) => {
    const lines = command.helpInformation().split('\n');
    expect(lines.length).toBeGreaterThan(3);
    // How it is called is one line, to be copied.
    expect(lines.filter((line) => line.length > 80 && !line.startsWith('Usage:'))).toEqual([]);
  },
);

describe('groups', () => {
  const groups = (command: Command) =>
    new Map(
      command
        .helpInformation()
        .split('\n\n')
        .map((block) => {
          const [title = '', ...lines] = block.split('\n');
          return [title, lines.filter((line) => /^ {2}\S/.test(line))] as const;
        }),
    );

  test('every command is in one', () => {
    expect(groups(PROGRAM).get('Commands:')).toBeUndefined();
    expect(groups(PROGRAM).get('Build and run:')?.join()).toMatch(/build .*run .*copy /);
  });

  test('commands of another command are in none of those of wiac', () => {
    const cache = PROGRAM.commands.find((one) => one.name() === 'cache');
    expect([...groups(cache ?? PROGRAM).keys()].slice(-2)).toEqual(['Options:', 'Commands:']);
  });

  test('an option is where it says something of this command', () => {
    const found = (name: string) => {
      const command = PROGRAM.commands.find((one) => one.name() === name);
      const [...all] = command ? groups(command) : [];
      return (flag: string) =>
        all.find(([, lines]) => lines.some((line) => line.includes(` ${flag}`)))?.[0];
    };
    const [run, worker, build] = [found('run'), found('worker'), found('build')];
    expect([run('--env '), run('--platform '), run('--name ')]).toEqual([
      'The program:',
      'Images and registries:',
      'Without effect, for scripts written for docker and buildah:',
    ]);
    expect(['--label ', '--platform ', '--cache ', '--key ', '--trust-key '].map(worker)).toEqual(
      Array(5).fill('Workers:'),
    );
    expect([build('--volume '), build('--load '), build('-D ')]).toEqual([
      'The sandbox:',
      ...Array(2).fill('Without effect, for scripts written for docker and buildah:'),
    ]);
    expect(found('lock')('--check ')).toBe('Options:');
  });

  test.each(['build', 'run', 'worker'])('so is every option of %s', (name) => {
    const command = PROGRAM.commands.find((one) => one.name() === name);
    const found = command ? groups(command) : new Map<string, string[]>();
    const others = found.get('Options:')?.filter((line) => !/^ {2}(-h, )?--help/.test(line));
    expect(others).toEqual([]);
    expect([...found.keys()]).toEqual(expect.arrayContaining(['The sandbox:']));
  });

  test('a default that goes without saying is not said', () => {
    for (const command of allCommands(PROGRAM))
      expect(command.helpInformation()).not.toMatch(/default:[^)]*\)\s+\(default:/);
    const text = PROGRAM.commands[0]?.helpInformation() ?? '';
    expect(text).not.toMatch(/default:\s+\[\]/);
    expect(text.replace(/\s+/g, ' ')).toContain('(default: 64m)');
  });
});
