/** Which open files a step or a program finds, and what it can do with them. */
import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { getBinary } from '../../src/native/binary.js';
import { getMachine, MODES, stepOutput, wiacAs } from '../support/rootless.js';
import type { Machine } from '../support/wiac.js';
import { context, dockerfile, getOutput, machine, tempDir, WIAC } from '../support/wiac.js';

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** Opens a directory and a file with numbers far apart, as lock files of shells have them. */
const ODD = 'exec 200</ 57</etc/passwd 11</etc';

/** ls opens the directory itself, as 3. */
const LIST = 'ls -l /proc/self/fd | grep -v "3$\\|total" ; ls /proc/self/fd';

describe.each(MODES)('$user, $flag', ({ user, runtime, flag }) => {
  test('a step has standard input, output and errors, nothing else', async () => {
    const root = context({ Dockerfile: dockerfile(`RUN ${LIST}`, 'USER 65534', `RUN ${LIST} #`) });
    const lines = await stepOutput(getMachine(user), root, [flag], ODD);
    expect(lines.filter((line) => /^\d+$/.test(line))).toEqual([...'0123', ...'0123']);
    expect(lines.join('\n')).not.toContain('mdb');
  });

  test('so has a program', async () => {
    const made = getMachine(user);
    const root = context({ Dockerfile: dockerfile() });
    await stepOutput(made, root, ['-t', 'app']);
    const argv = ['run', flag, 'app', '/bin/ls', '/proc/self/fd'];
    expect((await wiacAs(made, argv, ODD)).stdout).toBe('0\n1\n2\n3');
  });

  test('standard output and errors can be opened by name, by any user', async () => {
    const use = [
      'echo one > /dev/stdout',
      'echo two | /bin/busybox tee /dev/stderr > /dev/null',
      'ln -s /dev/stdout /tmp/log && echo three > /tmp/log',
      'ln -s /dev/stderr /tmp/errors && echo four >> /tmp/errors',
    ].join(' && ');
    const script = ['RUN mkdir -m 1777 /tmp', `RUN ${use}`, 'USER 65534', `RUN ${use} && true`];
    const root = context({ Dockerfile: dockerfile(...script.slice(0, 2)) });
    const flags = [flag];
    // runc copies output and errors from two pipes of its own, each in its order.
    const sorted = (lines: string[]) => (runtime === 'runc' ? lines.sort() : lines);
    const all = sorted(['one', 'two', 'three', 'four']);
    expect(sorted(await stepOutput(getMachine(user), root, flags))).toEqual(all);
    const other = context({ Dockerfile: dockerfile('RUN mkdir -m 1777 /tmp', ...script.slice(2)) });
    expect(sorted(await stepOutput(getMachine(user), other, flags))).toEqual(all);
  });
});

test('a process that changed its user can open them as well', async () => {
  const run = 'RUN /bin/busybox su app -c "id -u; echo out > /dev/stdout; echo err > /dev/stderr"';
  const passwd = 'root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n';
  const { events } = await machine().build(
    context({ passwd, Dockerfile: dockerfile('COPY passwd /etc/passwd', run) }),
  );
  expect(getOutput(events)).toEqual(['1000', 'out', 'err']);
});

describe('output of a step', () => {
  async function output(command: string): Promise<string[]> {
    const root = context({ Dockerfile: dockerfile(`RUN ${command}`) });
    return getOutput((await machine().build(root)).events);
  }

  test('is complete when the step ends right after it', async () => {
    const lines = await output('i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done');
    expect(lines).toEqual(Array.from({ length: 20_000 }, (_, index) => String(index)));
  });

  test('keeps the order of output and errors', async () => {
    const lines = await output(
      'i=0; while [ $i -lt 500 ]; do echo $i; echo $i >&2; i=$((i+1)); done',
    );
    expect(lines).toEqual(Array.from({ length: 1000 }, (_, index) => String(index >> 1)));
  });

  test('ends with the step, though a process in the background has it open', async () => {
    expect(await output('(sleep 1000000) & echo started')).toEqual(['started']);
  });

  test('may be closed before the step ends', async () => {
    expect(await output('echo before; exec >&- 2>&-; sleep 1; true')).toEqual(['before']);
  });
});

async function shellImage(): Promise<Machine> {
  const made = machine();
  await made.build(context({ Dockerfile: dockerfile() }), '-t', 'app');
  return made;
}

/** `wiac run` of a shell script, called by a shell. */
async function shell(root: string, script: string, redirections: string, cwd: string) {
  const command = `node ${WIAC} run app /bin/sh -c "$0" ${redirections}`;
  return execa('bash', ['-c', command, script], { cwd, env: { WIAC_ROOT: root }, reject: false });
}

describe("files that are a program's streams", () => {
  test('the one it reads can neither be written to nor get another mode', async () => {
    const { root } = await shellImage();
    const cwd = tempDir();
    const file = join(cwd, 'input');
    writeFileSync(file, 'mine\n', { mode: 0o644 });
    const script = 'cat; chmod 4777 /proc/self/fd/0; echo theirs > /proc/self/fd/0';
    const { stdout } = await shell(root, script, '< input', cwd);
    expect(stdout).toBe('mine');
    expect(readFileSync(file, 'utf8')).toBe('mine\n');
    expect(statSync(file).mode & 0o7777).toBe(0o644);
  });

  test('it goes on reading where its caller stopped', async () => {
    const { root } = await shellImage();
    const cwd = tempDir();
    writeFileSync(join(cwd, 'input'), 'one\ntwo\n');
    const command = `{ read first; node ${WIAC} run app /bin/cat; } < input`;
    const { stdout } = await execa('bash', ['-c', command], { cwd, env: { WIAC_ROOT: root } });
    expect(stdout).toBe('two');
  });

  test('the ones it writes to can neither be read nor get another mode', async () => {
    const { root } = await shellImage();
    const cwd = tempDir();
    const file = join(cwd, 'output');
    writeFileSync(file, 'secret\n', { mode: 0o644 });
    const script =
      'chmod 4777 /proc/self/fd/1; echo out; echo err >&2; test -f /proc/self/fd/1 && head -c 6 /proc/self/fd/1';
    await shell(root, script, '>> output 2>&1', cwd);
    expect(readFileSync(file, 'utf8')).toBe('secret\nout\nerr\n');
    expect(statSync(file).mode & 0o7777).toBe(0o644);
  });
});

test('output that a file does not take is no success', async () => {
  const { root } = await shellImage();
  const cwd = tempDir();
  const result = await shell(root, 'echo lost', '> /dev/full', cwd);
  expect(result.stderr).toContain("the program's output could not be written: No space left");
  expect(result.exitCode).toBe(125);
});

describe('the program that sets a container up', () => {
  const attack = 'chmod 4777 $exe 2>&1; (: > $exe) 2>&1; (: >> $exe) 2>&1';
  const unchanged = () => {
    const binary = getBinary();
    return { mode: statSync(binary).mode & 0o7777, digest: digest(readFileSync(binary)) };
  };

  test('is nothing that a container can use', async () => {
    const root = context({
      // The interpreter is whoever runs it: what was to become the program.
      script: '#!/proc/self/exe\n',
      Dockerfile: dockerfile('COPY --chmod=755 script /script', 'RUN ["/script"]'),
    });
    const { stderr } = await machine().wiac(['build', '--progress=plain', root]);
    expect(stderr).toContain('| wiac-sys is started by wiac');
  });

  test('can be changed by nobody in there, while it waits for the program', async () => {
    const before = unchanged();
    const { wiac } = await shellImage();
    const script = `exe=/proc/1/exe; ${attack}`;
    const { stdout } = await wiac(['run', '--init', 'app', '/bin/sh', '-c', script]);
    const refused = expect.stringMatching(/Read-only|denied/);
    expect(stdout.trim().split('\n')).toEqual([refused, refused, refused]);
    expect(unchanged()).toEqual(before);
  });

  test("nor where a program sees this machine's processes", async () => {
    const before = unchanged();
    const { wiac } = await shellImage();
    // Only those of the binary that is compared.
    const script = `for pid in /proc/[0-9]*; do
      read -r line < $pid/cmdline; case "$line" in ${getBinary()}*) exe=$pid/exe; ${attack};; esac
    done 2> /dev/null`;
    const flags = ['--isolation=chroot', '--privileged'];
    const { stdout } = await wiac(['run', ...flags, 'app', '/bin/sh', '-c', script]);
    expect(stdout.match(/Read-only/g)?.length).toBeGreaterThanOrEqual(3);
    expect(unchanged()).toEqual(before);
  });
});
