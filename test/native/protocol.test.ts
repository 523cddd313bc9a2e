/**
 * wiac-sys alone, by the bytes that it is sent, as a build with AddressSanitizer and
 * UndefinedBehaviorSanitizer: whatever comes, it neither reads nor writes where it must not.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import fc from 'fast-check';
import type { Operation } from '../../src/executor/local/operations.js';
import { CLONE, MS } from '../../src/executor/local/operations.js';
import { ASK, encodeFrame, PROTOCOL, TELL } from '../../src/native/frames.js';
import { payloadReader } from '../../src/native/payload.js';
import { readSurvey } from '../../src/native/read-xattrs.js';
import type { Talk } from '../support/native-talk.js';
import {
  binary,
  endOf,
  finish,
  killing,
  outputOf,
  program,
  run,
  talk,
  version,
} from '../support/native-talk.js';
import { tempDir } from '../support/wiac.js';

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'wiac-protocol-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Runs a program for which clone3 does not exist. */
const REFUSE_CLONE3 = `
#include <seccomp.h>
#include <unistd.h>
int main(int argc, char **argv) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (argc < 2 || seccomp_rule_add(filter, SCMP_ACT_ERRNO(38), SCMP_SYS(clone3), 0)) return 1;
    if (seccomp_load(filter)) return 1;
    execv(argv[1], argv + 1);
    return 1;
}`;

test('a program: its output, how it ended', async () => {
  const made = talk();
  made.send(program(7, 'echo out; echo err >&2; exit 3'));
  expect(await endOf(made, 7)).toEqual({ code: 3, status: '' });
  expect(outputOf(made, 7)).toBe('out\nerr\n');
  await finish(made);
});

/** What a container that runs a script in a directory is told to have written there. */
async function surveyOf(made: Talk, id: number, directory: string, script: string) {
  const written: Operation = { op: 'clone', flags: CLONE.NEWPID, written: directory };
  const argv = ['/bin/sh', '-c', `cd ${directory}; ${script}`];
  made.send(run(id, written, { op: 'exec', argv }));
  const reader = payloadReader((await made.reply(id, TELL.ended)).payload);
  const [code, status] = [reader.number(), reader.text().toString()];
  const told: string[] = [];
  const survey = reader.isEmpty() ? undefined : reader.rest();
  const totals =
    survey &&
    readSurvey(survey, (path, xattrs) =>
      told.push([path, ...xattrs.map(([name]) => name)].join(' ')),
    );
  return { code, status, told: told.sort(), totals };
}

test('what a program has written is told with its end, unless it is much', async () => {
  const made = talk();
  const directory = tempDir();
  const script =
    'mkdir -p a/b; echo 12345 > a/b/c; ln a/b/c d; : > .wh.x; setfattr -n user.k -v v a; exit 3';
  const { totals, ...end } = await surveyOf(made, 1, directory, script);
  expect(end).toEqual({ code: 3, status: '', told: ['.wh.x', 'a user.k'] });
  expect(totals).toMatchObject({ entries: 5, bytes: 12, depth: 2 });
  const many = 'for i in $(seq 2000); do : > $i; done';
  expect(await surveyOf(made, 2, directory, many)).toMatchObject({ code: 0, totals: undefined });
  // It is gone: who asks for it again hears why.
  expect(await surveyOf(made, 3, directory, `rm -r ${directory}`)).toMatchObject({
    totals: undefined,
  });
  await finish(made);
});

test('several at once; one is ended, the others go on', async () => {
  const made = talk();
  made.send(program(1, 'echo one; sleep 1000'), program(2, 'sleep 1; echo two'), version(3));
  expect(String((await made.reply(3)).payload)).toBe(PROTOCOL);
  await made.reply(1, TELL.output);
  // To nobody, and to one that is there.
  made.send(killing(99), killing(1));
  expect((await endOf(made, 1)).code).toBe(137);
  expect((await endOf(made, 2)).code).toBe(0);
  expect(outputOf(made, 2)).toBe('two\n');
  // It has ended.
  made.send(killing(2));
  await finish(made);
});

test('much output waits for its reader, and nothing of it is lost', async () => {
  const made = talk();
  made.socket.pause();
  made.send(program(1, 'head -c 50000000 /dev/zero; echo end'));
  await new Promise((resume) => setTimeout(resume, 1500));
  const memory = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${made.child.pid}/status`, 'utf8'))?.[1];
  expect(Number(memory)).toBeLessThan(30_000);
  made.socket.resume();
  expect((await endOf(made, 1)).code).toBe(0);
  expect(outputOf(made, 1)).toHaveLength(50_000_004);
  await finish(made);
});

test('a program that cannot be started, or not be set up, says why and nothing secret', async () => {
  const made = talk();
  const clone: Operation = { op: 'clone', flags: CLONE.NEWPID };
  made.send(
    run(1, clone, { op: 'exec', argv: ['/nowhere', 'x'] }),
    run(2, clone, { op: 'exec', argv: ['/etc/passwd'] }),
    run(3, clone, { op: 'chdir', path: '/nowhere' }, { op: 'exec', argv: ['/bin/true'] }),
    run(4, clone, {
      op: 'write',
      path: '/nowhere/x',
      mode: 0o400,
      uid: 0,
      gid: 0,
      content: Buffer.from('hush'),
    }),
    run(5, clone),
    run(6, { op: 'session' }),
    run(7, clone, { op: 'chdir', path: 'x'.repeat(100_000) }),
  );
  const said = [];
  for (const id of [1, 2, 3, 4, 5, 6]) said.push(await endOf(made, id));
  expect(said).toEqual([
    { code: 127, status: 'exec: /nowhere: No such file or directory' },
    { code: 126, status: 'exec: /etc/passwd: Permission denied' },
    { code: 125, status: 'setup: chdir /nowhere: No such file or directory' },
    { code: 125, status: 'setup: write: No such file or directory' },
    { code: 125, status: 'setup: the program has no exec' },
    { code: 125, status: 'setup: the list does not begin with clone: Invalid argument' },
  ]);
  expect((await endOf(made, 7)).status).toMatch(/^setup: chdir x+: File name too long$/);
  await finish(made);
});

test('environment and arguments arrive as they are', async () => {
  const made = talk();
  const show = 'printf "%s\\n" "$0" "$@"; /usr/bin/env | grep -v ^PWD= | grep -v ^_= | sort';
  made.send(
    run(
      1,
      { op: 'clone', flags: CLONE.NEWPID },
      {
        op: 'env',
        pairs: [
          ['B', 'x=y\n'],
          ['A', ''],
          ['PATH', '/usr/bin:/bin'],
        ],
      },
      // Found by PATH.
      { op: 'exec', argv: ['sh', '-c', show, 'zero', '', 'two words'] },
    ),
    run(
      2,
      { op: 'clone', flags: 0 },
      { op: 'env', pairs: [] },
      { op: 'exec', argv: ['/usr/bin/env'] },
    ),
  );
  await endOf(made, 1);
  expect(outputOf(made, 1)).toBe('zero\n\ntwo words\n\nA=\nB=x=y\nPATH=/usr/bin:/bin\n');
  await endOf(made, 2);
  expect(outputOf(made, 2)).toBe('');
  await finish(made);
});

/** Where control groups of version 2 are, with controllers or without. */
const UNIFIED = readFileSync('/proc/self/mountinfo', 'utf8')
  .split('\n')
  .find((line) => line.includes(' - cgroup2 '))
  ?.split(' ')[4];

describe('a control group of version 2', () => {
  const inGroup = async (group: string, command: readonly string[] = []) => {
    const made = talk({ command: [...command, binary, 'serve'] });
    const show = 'grep ^0: /proc/self/cgroup';
    made.send(
      run(1, { op: 'clone', flags: 0, group }, { op: 'exec', argv: ['/bin/sh', '-c', show] }),
    );
    const { status } = await endOf(made, 1);
    await finish(made);
    return { status, output: outputOf(made, 1) };
  };

  test('is what a process begins in, also where clone3 is refused', async () => {
    expect(UNIFIED).toBeDefined();
    const group = join(UNIFIED ?? '', `test-${process.pid}`);
    mkdirSync(group);
    try {
      const expected = { status: '', output: expect.stringMatching(/^0::.*\/test-\d+\n$/) };
      expect(await inGroup(group)).toEqual(expected);
      // As in a container of Docker's.
      const preload = join(directory, 'refuse');
      const source = join(directory, 'refuse.c');
      writeFileSync(source, REFUSE_CLONE3);
      await execa('cc', ['-o', preload, source, '-lseccomp']);
      expect(await inGroup(group, [preload])).toEqual(expected);
    } finally {
      rmdirSync(group);
    }
  });

  test('that takes no program for its devices is an error only where nothing else restricts them', async () => {
    const made = talk();
    const filter = (required: boolean): Operation => {
      return { op: 'device-filter', group: '/nowhere', program: Buffer.alloc(8), required };
    };
    const echo: Operation = { op: 'exec', argv: ['/bin/true'] };
    made.send(run(1, { op: 'clone', flags: 0 }, filter(false), echo));
    expect(await endOf(made, 1)).toEqual({ code: 0, status: '' });
    made.send(run(2, { op: 'clone', flags: 0 }, filter(true), echo));
    expect((await endOf(made, 2)).status).toMatch(/^setup: device-filter .*Invalid argument$/);
    await finish(made);
  });

  test('that is not there is an error', async () => {
    const { status, output } = await inGroup('/nowhere');
    expect(status).toMatch(/^setup: join-cgroup: No such file/);
    expect(output).toBe('');
  });
});

describe('an overlay', () => {
  const layers = (count: number) =>
    Array.from({ length: count }, (_, index) => {
      const path = join(directory, `layer,\\:${index}`);
      mkdirSync(path, { recursive: true });
      writeFileSync(join(path, `file${index}`), `content ${index}`);
      return path;
    });
  const mounted = (lower: readonly string[], file: string): Operation[] => {
    const target = join(directory, 'merged');
    mkdirSync(target, { recursive: true });
    return [
      { op: 'clone', flags: CLONE.NEWPID | CLONE.NEWNS },
      { op: 'mount', source: 'none', target: '/', type: '', flags: MS.REC | MS.PRIVATE, data: '' },
      { op: 'overlay', target, flags: MS.NODEV, lower, upper: undefined, options: 'metacopy=off' },
      { op: 'exec', argv: ['/bin/cat', join(target, file)] },
    ];
  };

  test('has as many layers as the kernel takes, whatever their names and however few open files', async () => {
    const script = 'ulimit -Sn 100; exec "$0" serve';
    const made = talk({ command: ['/bin/sh', '-c', script, binary] });
    const lower = layers(501);
    made.send(run(1, ...mounted(lower.slice(0, 500), 'file499')));
    expect(await endOf(made, 1)).toEqual({ code: 0, status: '' });
    expect(outputOf(made, 1)).toBe('content 499');
    made.send(run(2, ...mounted(lower, 'file0')));
    const status = `setup: overlay ${join(directory, 'merged')}: Invalid argument`;
    expect(await endOf(made, 2)).toEqual({ code: 125, status });
    await finish(made);
  });

  test('without a layer: that one is named', async () => {
    const made = talk();
    made.send(run(1, ...mounted([...layers(2), join(directory, 'gone')], 'file0')));
    const status = `setup: overlay ${join(directory, 'gone')}: No such file or directory`;
    expect(await endOf(made, 1)).toEqual({ code: 125, status });
    await finish(made);
  });
});

test('its containers end with it, and it with its wiac', async () => {
  const made = talk();
  made.send(program(1, 'echo $$; exec sleep 1000'), program(2, 'trap "" TERM; echo x; sleep 1000'));
  await Promise.all([made.reply(1, TELL.output), made.reply(2, TELL.output)]);
  const path = `/proc/${made.child.pid}/task/${made.child.pid}/children`;
  const children = readFileSync(path, 'utf8').trim().split(' ');
  expect(children).toHaveLength(2);
  made.child.kill('SIGKILL');
  await made.ended;
  for (let tries = 0; tries < 100; tries++) {
    if (!children.some((pid) => existsSync(`/proc/${pid}`))) break;
    await new Promise((resume) => setTimeout(resume, 20));
  }
  expect(children.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
  const other = talk();
  other.send(program(1, 'echo x; exec sleep 1000'));
  await other.reply(1, TELL.output);
  await finish(other);
});

test('frames that come byte by byte, and many in one piece', async () => {
  const made = talk();
  const frames = Buffer.concat([1, 2, 3].map((id) => encodeFrame(version(id))));
  for (const byte of frames) {
    made.socket.write(Buffer.from([byte]));
    await new Promise(setImmediate);
  }
  for (const id of [1, 2, 3]) await made.reply(id);
  made.send(...Array.from({ length: 2000 }, (_, index) => version(10 + index)));
  await made.reply(2009);
  await finish(made);
});

test('a length that no message has ends it, without a crash', async () => {
  for (const length of [0xffffffff, 0x80000000, 0x10000001]) {
    const made = talk();
    const header = Buffer.alloc(9);
    header.writeUInt32LE(length);
    made.socket.write(header);
    expect(await made.ended).toEqual({ code: 0, said: '' });
  }
});

test('the end of the stream within a message', async () => {
  const made = talk();
  made.socket.end(encodeFrame(program(1, 'echo never')).subarray(0, 20));
  expect(await made.ended).toEqual({ code: 0, said: '' });
  expect(made.frames).toEqual([]);
});

/** Names and words that operations have, and others. */
const field = fc.oneof(
  fc.constantFrom('clone', 'env', 'exec', 'overlay', 'chdir', 'write', 'seccomp', 'mount', 'user'),
  fc.constantFrom('0', '1', '2', '-1', '99999999999999999999', '4294967295', 'x', '', '/nowhere'),
  fc.string({ maxLength: 20 }),
);

test('lists of operations that are none: each is answered', async () => {
  const made = talk();
  let id = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(field, { maxLength: 12 }),
      fc.constantFrom('', '\0'),
      fc.boolean(),
      async (fields, end, cloned) => {
        id += 1;
        // Nothing may be mounted here, should the list happen to be one.
        const begin = cloned ? ['clone', '1', String(CLONE.NEWNS | CLONE.NEWPID)] : [];
        const own = cloned ? ['mount', '5', 'none', '/', '', String((1 << 18) | 16384), ''] : [];
        const safe = fields.map((text) => (!cloned && text === 'clone' ? 'clown' : text));
        const payload = Buffer.from([...begin, ...own, ...safe].join('\0') + end);
        made.send({ id, kind: ASK.run, payload });
        const { code, status } = await endOf(made, id);
        // Some of the words are names of programs, too: a list may happen to be one that runs them.
        if (/^(setup|exec): /.test(status)) expect(code).toBeGreaterThanOrEqual(125);
        else expect(safe).toContain('exec');
      },
    ),
    { numRuns: 300 },
  );
  await finish(made);
});

test('requests of any kind with any payload: each is answered, or ignored', async () => {
  const made = talk();
  let id = 0;
  const any = fc.record({
    kind: fc.integer({ min: 0, max: 255 }),
    payload: fc.uint8Array({ maxLength: 40 }),
  });
  await fc.assert(
    fc.asyncProperty(any, async ({ kind, payload }) => {
      id += 2;
      made.send({ id, kind, payload: Buffer.from(payload) }, version(id + 1));
      await made.reply(id + 1);
    }),
    { numRuns: 300 },
  );
  await finish(made);
});

test('without a socket, or with other words, it says who starts it', async () => {
  const made = talk({ argv: ['sing'] });
  expect(await made.ended).toEqual({ code: 2, said: 'wiac-sys is started by wiac\n' });
});
