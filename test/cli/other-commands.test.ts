/** Commands of Docker and podman: what to do instead is something that wiac has. */
import { expect, test } from '@jest/globals';
import { insteadOfCommand, OTHER_COMMANDS } from '../../src/cli/declare/other-commands.js';
import { createProgram } from '../../src/cli/program.js';

const program = createProgram(() => {});
const names = program.commands.map((command) => command.name());

test.each(OTHER_COMMANDS)('%s is not there, and what its hint names is', (name) => {
  expect(names).not.toContain(name);
  const hint = insteadOfCommand(name, name) ?? '';
  const named = [...hint.matchAll(/wiac ((?!keeps|makes)[a-z]+)/g)].map(([, word]) => word);
  expect(names).toEqual(expect.arrayContaining(named));
});

test.each([
  [['ps'], 'there is no command ps', /^wiac keeps no containers/],
  [['save', 'hello', '-o', 'x.tar'], 'there is no command save', /^wiac push NAME docker-archive:/],
  [['image', 'ls', '-a'], 'there is no command image', /^wiac images$/],
  [['container', 'run', 'x'], 'there is no command container', /^wiac run$/],
  [['image', 'nosuch'], 'there is no command image', /^wiac images, /],
  [['-H', 'tcp://x', 'build', '.'], 'wiac has no -H', /no daemon/],
  [['--log-level=debug', 'build', '.'], 'wiac has no --log-level', /^it goes with a command/],
  [['--root', '/x', 'ps'], 'wiac has no --root', /WIAC_ROOT/],
  [['compose', 'up', '-d'], 'there is no command up', /^wiac compose build /],
  // A slip of the finger, and a word of a command that wiac has.
  [['buid', '.'], "unknown command 'buid'\n(Did you mean build?)", /^wiac --help/],
  [
    ['build', 'a', 'b'],
    "too many arguments for 'build'. Expected 1 argument but got 2.",
    /^wiac build <path>/,
  ],
  [['cache', 'ps'], "unknown command 'ps'\n(Did you mean ls?)", /^wiac --help/],
  [['compose', 'biuld'], "unknown command 'biuld'\n(Did you mean build?)", /^wiac --help/],
])('%j', async (words, message, hint) => {
  const run = createProgram(() => {}, words[0]).parseAsync(words, { from: 'user' });
  await expect(run).rejects.toMatchObject({ message, hint: expect.stringMatching(hint) });
});
