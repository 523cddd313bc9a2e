/** wiac's side of wiac-sys: starting it, talking to it, and how it ends. */
import { spawn } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { readEnd } from '../../src/executor/local/container-end.js';
import { encodeOperations } from '../../src/executor/local/operations.js';
import { binaryName, getBinary } from '../../src/native/binary.js';
import type { Frame } from '../../src/native/frames.js';
import { ASK, encodeFrame, frameReader, PROTOCOL, TELL } from '../../src/native/frames.js';
import type { WaitingContainer, WiacSys } from '../../src/native/wiac-sys.js';
import { checkVersion, lazyWiacSys } from '../../src/native/wiac-sys.js';
import { readAbout } from '../support/process-facts.js';
import {
  context,
  dockerfile,
  machine,
  mountsBelow,
  printed,
  processesWith,
  tempDir,
  WIAC,
} from '../support/wiac.js';

let sys: WiacSys | undefined;
afterEach(async () => {
  sys?.close();
  sys = undefined;
  while (startedBy(process.pid).length > 0) await new Promise((resume) => setTimeout(resume, 20));
});

function getParent(pid: string): string | undefined {
  return /^PPid:\t(\d+)$/m.exec(readAbout(pid, 'status'))?.[1];
}

/** Processes of wiac-sys that a process has started. */
const startedBy = (parent: number | undefined) =>
  processesWith(`${binaryName(process.arch)}\0serve`).filter(
    (pid) => getParent(pid) === String(parent),
  );

test('it says which messages it understands', async () => {
  expect((await execa(getBinary(), ['--version'])).stdout).toBe(`wiac-sys ${PROTOCOL}`);
  sys = lazyWiacSys();
  await checkVersion(sys);
  const { kind, payload } = await sys.request(ASK.version, Buffer.alloc(0));
  expect({ kind, text: String(payload) }).toEqual({ kind: TELL.version, text: PROTOCOL });
});

test('a request of a kind that it does not know is refused, and others go on', async () => {
  sys = lazyWiacSys();
  await expect(sys.request(200, Buffer.from('x'))).rejects.toMatchObject({
    code: 'ISOLATION',
    message: expect.stringContaining('no request of this kind is known'),
  });
  await checkVersion(sys);
});

test('it is started once, by the first request, and ends with its wiac', async () => {
  const own = () => startedBy(process.pid);
  sys = lazyWiacSys();
  expect(own()).toEqual([]);
  await Promise.all([checkVersion(sys), checkVersion(sys)]);
  expect(own()).toHaveLength(1);
  sys.close();
  for (let tries = 0; tries < 100 && own().length > 0; tries++)
    await new Promise((resume) => setTimeout(resume, 20));
  expect(own()).toEqual([]);
});

const first = encodeOperations([{ op: 'clone', flags: 0, waits: true }, { op: 'await' }]);
const program = (text: string) =>
  Buffer.concat([
    Buffer.from('\0'),
    encodeOperations([
      { op: 'env', pairs: [['LONG', 'x'.repeat(100_000)]] },
      { op: 'exec', argv: ['/bin/sh', '-c', `echo ${text} \${#LONG}; readlink /proc/self/fd/5`] },
    ]),
  ]);

test('a container waits for the rest of its operations, and ends when nobody needs it', async () => {
  sys = lazyWiacSys();
  const children = () => startedBy(Number(startedBy(process.pid)[0]));
  const [used, unused, killed] = [1, 2, 3].map(() => sys?.beginWaiting(first)) as [
    WaitingContainer,
    WaitingContainer,
    WaitingContainer,
  ];
  await checkVersion(sys);
  expect(children()).toHaveLength(3);
  const output: Buffer[] = [];
  const onPart = (part: Buffer) => void output.push(part);
  const end = readEnd(await used.goOn(program('went on'), { onPart }));
  // What it was told the rest by is closed.
  expect({ ...end, output: String(Buffer.concat(output)) }).toMatchObject({
    code: 1,
    kind: undefined,
    output: 'went on 100000\n',
  });
  await unused.end();
  const [last] = children();
  process.kill(Number(last), 'SIGKILL');
  const failed = readEnd(await killed.goOn(program('never'), {}));
  expect(failed).toMatchObject({ kind: 'early', message: 'it ended while it waited' });
  sys.beginWaiting(first);
  await checkVersion(sys);
  expect(children()).toHaveLength(1);
  const [waiting] = children();
  sys.close();
  for (let tries = 0; tries < 100 && getParent(`${waiting}`) !== undefined; tries++)
    await new Promise((resume) => setTimeout(resume, 20));
  expect(getParent(`${waiting}`)).toBe(undefined);
});

test('a container that is killed while the rest is on its way has not begun', async () => {
  sys = lazyWiacSys();
  const killed = sys.beginWaiting(first);
  await checkVersion(sys);
  const child = Number(startedBy(Number(startedBy(process.pid)[0]))[0]);
  process.kill(child, 'SIGSTOP');
  const end = killed.goOn(program('never'), {});
  // wiac-sys answers in turn: the rest has been sent by then.
  await checkVersion(sys);
  process.kill(child, 'SIGKILL');
  expect(readEnd(await end)).toMatchObject({ kind: 'early', message: 'it ended while it waited' });
});

test('the one for arm64 starts and answers', async () => {
  const binary = getBinary().replace(/[^-]+$/, 'arm64');
  const qemu = process.arch === 'arm64' ? [] : ['qemu-aarch64'];
  const [program = '', ...args] = [...qemu, binary];
  expect((await execa(program, [...args, '--version'])).stdout).toBe(`wiac-sys ${PROTOCOL}`);
  const child = spawn(program, [...args, 'serve'], { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
  const socket = child.stdio[3] as Socket;
  const frame = await new Promise<Frame>((resolve) => {
    socket.on('data', frameReader(resolve));
    socket.write(encodeFrame({ id: 5, kind: ASK.version, payload: Buffer.alloc(0) }));
  });
  expect({ ...frame, payload: String(frame.payload) }).toEqual({
    id: 5,
    kind: TELL.version,
    payload: PROTOCOL,
  });
  socket.end();
  await new Promise((resume) => child.on('close', resume));
  expect(child.exitCode).toBe(0);
});

test('a build whose wiac-sys is killed ends, with its containers, and says so', async () => {
  const made = machine();
  const root = context({
    Dockerfile: dockerfile(`RUN echo ready; sleep ${3_500_000 + process.pid}`),
  });
  const child = execa(process.execPath, [WIAC, 'build', '--progress=plain', root], {
    env: { WIAC_ROOT: made.root },
    reject: false,
  });
  await printed(child.stderr, '| ready');
  const [pid] = startedBy(child.pid);
  process.kill(Number(pid), 'SIGKILL');
  const { exitCode, stderr } = await child;
  expect({ exitCode, stderr }).toMatchObject({
    exitCode: 8,
    stderr: expect.stringContaining('wiac-sys, which runs the containers, has ended: SIGKILL'),
  });
  expect(processesWith(`sleep\0${3_500_000 + process.pid}`)).toEqual([]);
  expect(mountsBelow(made.root)).toEqual([]);
});

describe('compiled', () => {
  /** Where only these programs are. */
  const compileWith = (programs: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const bin = tempDir();
    for (const name of programs) symlinkSync(`/usr/bin/${name}`, join(bin, name));
    const script = `import('./compile-native.js').then(({ compileAll }) =>
      console.log(compileAll(${JSON.stringify(bin)}).map(({ name }) => name).join()))`;
    return execa(process.execPath, ['-e', script], {
      env: { PATH: bin, ...env },
      extendEnv: false,
      reject: false,
    });
  };

  test('without a compiler: which packages to install', async () => {
    const { exitCode, stderr } = await compileWith([]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('wiac needs a C compiler to be built: apt-get install gcc libc6-dev');
  });

  test('for this processor alone where there is no other compiler; a package says so', async () => {
    const own = ['cc', 'as', 'ld'];
    const made = await compileWith(own, { npm_command: 'pack' });
    expect(made).toMatchObject({ exitCode: 0, stdout: `wiac-sys-${process.arch}` });
    expect(made.stderr).toMatch(/^no wiac-sys-\w+ in this package: apt-get install gcc-/);
    expect((await compileWith(own)).stderr).toBe('');
  });
});
