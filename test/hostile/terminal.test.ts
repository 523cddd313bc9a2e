/** `wiac run` on a terminal: the program has one of its own, and the caller's is as before. */
import { chmodSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { perlContext } from '../support/perl-image.js';
import { readAbout } from '../support/process-facts.js';
import type { UserMachine } from '../support/rootless.js';
import { getMachine, MODES, stepOutput } from '../support/rootless.js';
import { context, dockerfile, printed, processesWith, tempDir, WIAC } from '../support/wiac.js';

const RUN = `${process.execPath} ${WIAC} run`;

async function shellMachine(user: 'root' | 'ordinary' = 'root'): Promise<UserMachine> {
  const made = getMachine(user);
  await stepOutput(made, context({ Dockerfile: dockerfile() }), ['-t', 'app']);
  return made;
}

/** A shell script on a terminal; what is written to its input is typed. */
function onTerminal({ command, env }: UserMachine, script: string) {
  const directory = tempDir();
  chmodSync(directory, 0o755);
  const [program = '', ...rest] = [
    ...command,
    'script',
    '-qec',
    `bash -c '${script}'`,
    '/dev/null',
  ];
  return execa(program, rest, { cwd: directory, env, reject: false, stdin: 'pipe' });
}

async function output(made: UserMachine, script: string): Promise<string> {
  return (await onTerminal(made, script)).stdout;
}

describe.each(MODES)('$user, $flag', ({ user, isolation, flag }) => {
  const run = `${RUN} ${flag} app`;

  test('a program has a terminal of its own, of its session', async () => {
    const made = await shellMachine(user);
    const show = 'tty; (: > /dev/tty) && echo controls; echo shown > /dev/tty; echo err >&2';
    const lines = (await output(made, `tty; ${run} /bin/sh -c "${show}"`)).split('\r\n');
    expect(lines[0]).toMatch(/^\/dev\/pts\/\d+$/);
    if (isolation === 'namespaces') expect(lines[1]).toBe('/dev/pts/0');
    else expect(lines[1]).not.toBe(lines[0]);
    expect(lines.slice(2)).toEqual(['controls', 'shown', 'err']);
  });

  test('what is typed reaches it, Ctrl-C as a signal, its exit code the caller', async () => {
    const made = await shellMachine(user);
    const program =
      'trap "echo interrupted; exit 7" INT; echo ready; read line; echo "got $line"; while true; do sleep 0.1; done';
    const child = onTerminal(
      made,
      `${run} /bin/sh -c "$PROGRAM"; echo code $?`.replace(
        '$PROGRAM',
        program.replace(/["$]/g, '\\$&'),
      ),
    );
    await printed(child.stdout, 'ready');
    child.stdin.write('words\n');
    await printed(child.stdout, 'got words');
    child.stdin.write('\x03');
    child.stdin.end();
    const { stdout } = await child;
    expect(stdout).toMatch(/interrupted\r\ncode 7$/);
  });
});

test("a program can type nothing into its caller's terminal", async () => {
  const inject = 'ioctl(STDIN, 0x5412, my $key = $_) for split //, "injected\\n"; print "done\\n";';
  const root = await perlContext({ 'inject.pl': inject }, 'COPY inject.pl /');
  const made = getMachine('root');
  await stepOutput(made, root, ['-t', 'app']);
  const child = onTerminal(made, `${RUN} app perl /inject.pl; read -t 2 line; echo "[$line]"`);
  await printed(child.stdout, 'done');
  const { stdout } = await child;
  expect(stdout).toContain('[]');
});

test("a program whose errors alone go to the caller's terminal does not have it", async () => {
  const made = await shellMachine();
  const script = 'test -t 2 && tty <&2; stty -a <&2 | head -n 1 > /dev/null; echo one >&2';
  const lines = await output(made, `tty; ${RUN} app /bin/sh -c "${script}" < /dev/null | cat`);
  const [callers, ...own] = lines.split('\r\n');
  // Beside what goes through cat is what stty says, in any order.
  expect(own).toContain('/dev/pts/0');
  expect(callers).toMatch(/^\/dev\/pts\/[1-9]|^\/dev\/pts\/0$/);
  expect(lines).toContain('one');
  // Lines end as they do without wiac.
  expect(lines).not.toContain('\r\r');
});

function getParent(pid: string): string | undefined {
  return /^PPid:\t(\d+)$/m.exec(readAbout(pid, 'status'))?.[1];
}

describe('the terminal is as before', () => {
  /**
   * A shell that compares the settings before and after. It goes on when wiac has ended, which may be
   * a moment before the process that wiac's end tells to clear up.
   */
  const compare = (command: string) =>
    [
      `before=$(stty -g); ${command}`,
      'for try in 1 2 3 4 5 6 7 8 9; do test "$before" = "$(stty -g)" && break; sleep 0.1; done',
      'test "$before" = "$(stty -g)" && echo same || echo other; stty sane',
    ].join('; ');

  test.each([
    ['after the end of the program', 'true'],
    ['after a program that changed its own', '/bin/busybox stty raw -echo'],
    ['after one that ends by a signal', 'kill -9 $$'],
  ])('%s', async (_, program) => {
    const made = await shellMachine();
    const run = `${RUN} --isolation=chroot app /bin/sh -c "${program.replace('$', '\\$')}"`;
    expect(await output(made, compare(run))).toMatch(/same$/);
  });

  test.each([['wiac'], ['what passes on its keys']])('after kill -9 of %s', async (name) => {
    const made = await shellMachine();
    const number = 3_000_000 + process.pid;
    const run = `${RUN} app /bin/sh -c "echo ready; exec sleep ${number}"`;
    const child = onTerminal(made, compare(run));
    await printed(child.stdout, 'ready');
    const getProgram = (pid: string) => readAbout(pid, 'cmdline').split('\0');
    const wiac = processesWith(String(number)).find(
      (pid) => getProgram(pid)[0] === process.execPath,
    );
    const relay = processesWith('wiac-sys').find(
      (pid) => getProgram(pid)[1] === 'run' && getParent(pid) === wiac,
    );
    const pid = name === 'wiac' ? wiac : relay;
    process.kill(Number(pid), 'SIGKILL');
    expect((await child).stdout).toMatch(/same$/);
    for (let tries = 0; tries < 50 && processesWith(`sleep\0${number}`).length > 0; tries++)
      await new Promise((resume) => setTimeout(resume, 100));
    expect(processesWith(`sleep\0${number}`)).toEqual([]);
  });
});

test('a window that changes its size tells the program', async () => {
  const made = await shellMachine();
  const program =
    'trap "/bin/busybox stty size; exit" WINCH; echo ready; while true; do sleep 0.1; done';
  const child = onTerminal(made, `tty; ${RUN} app /bin/sh -c "${program.replace(/"/g, '\\"')}"`);
  let seen = '';
  child.stdout.on('data', (data: Buffer) => {
    seen += data.toString();
  });
  await printed(child.stdout, 'ready');
  const terminal = /\/dev\/pts\/\d+/.exec(seen)?.[0] ?? '';
  await execa('stty', ['-F', terminal, 'rows', '31', 'cols', '71']);
  expect((await child).stdout).toContain('31 71');
});

test('much that is typed at once arrives, while much is printed', async () => {
  const made = await shellMachine();
  const lines = Array.from({ length: 3000 }, (_, index) => `line ${index}`);
  const program = '/bin/busybox stty -echo; echo ready; exec cat';
  const child = onTerminal(made, `${RUN} app /bin/sh -c "${program}"`);
  await printed(child.stdout, 'ready');
  child.stdin.write(`${lines.join('\n')}\n`);
  // script(1) stops reading while it waits for the keyboard's buffer to be empty at the end.
  await printed(child.stdout, 'line 2999');
  child.stdin.write('\x04');
  child.stdin.end();
  const { stdout } = await child;
  expect(stdout.split('\r\n').filter((line) => line.startsWith('line'))).toEqual(lines);
});

test('in the background it runs, and nothing is read from the terminal', async () => {
  const made = await shellMachine();
  const script = `set -m; ${RUN} app /bin/sh -c "echo from the background" & wait $!; echo code $?`;
  expect(await output(made, script)).toMatch(/from the background\r+\n(.*\r+\n)*code 0$/);
});

test('a step has none, whoever calls wiac', async () => {
  const made = await shellMachine();
  const root = context({ Dockerfile: dockerfile('RUN (: < /dev/tty) 2>&1; tty; true') });
  const text = await output(made, `node ${WIAC} build --progress=plain ${root}`);
  expect(text).toContain('No such device or address');
  expect(text).toContain('| not a tty');
});
