/** wiac as a library, from the packed tarball, as a program that has nothing else of wiac. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { EVENTS_VERSION } from '../../src/engine/events.js';
import { context, dockerfile } from '../support/wiac.js';

let place: string;
let program: string;

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'wiac-library-'));
  // dist/ is what src/ says: jest's set-up built it. To build it anew would take it from the tests that run beside this one.
  const packed = await execa('npm', [
    'pack',
    '--json',
    '--ignore-scripts',
    '--pack-destination',
    place,
  ]);
  const [{ filename }] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('['))) as [
    { filename: string },
  ];
  program = join(place, 'program');
  mkdirSync(program);
  writeFileSync(join(program, 'package.json'), '{"type":"module","private":true}\n');
  await execa(
    'npm',
    ['install', '--no-audit', '--no-fund', '--prefer-offline', join(place, filename)],
    {
      cwd: program,
    },
  );
  cpSync('examples/library/build.mjs', join(program, 'build.mjs'));
}, 300_000);

afterAll(() => rmSync(place, { recursive: true, force: true }));

async function runProgram(name: string, ...args: string[]) {
  const { exitCode, stdout, stderr } = await execa('node', [name, ...args], {
    cwd: program,
    reject: false,
    env: { WIAC_ROOT: join(place, 'store') },
  });
  return { exitCode, stdout, stderr };
}

describe('examples/library', () => {
  test('builds, says what is in the cache, and runs a program', async () => {
    const root = context({ Dockerfile: dockerfile('RUN echo built; echo hello > /file') });
    const first = await runProgram('build.mjs', root, '/bin/cat', '/file');
    expect(first).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('| built') });
    const [lowerdirs, printed] = first.stdout.split('\n');
    expect(printed).toBe('hello');
    expect(lowerdirs?.split(':')).toHaveLength(2);
    const again = await runProgram('build.mjs', root, '/bin/sh', '-c', 'exit 7');
    expect(again).toMatchObject({
      exitCode: 7,
      stdout: lowerdirs,
      stderr: '2 steps are in the cache, 0 are not',
    });
  });

  test('an error has its code and exit code', async () => {
    const failed = await runProgram('build.mjs', context({ Dockerfile: dockerfile('RUN exit 3') }));
    expect(failed.exitCode).toBe(5);
    expect(failed.stderr).toContain('STEP_FAILED: the step ended with exit code 3');
  });
});

test('errors have the names that they are exported by', async () => {
  writeFileSync(
    join(program, 'names.mjs'),
    `import * as wiac from 'wiac';
    const errors = Object.entries(wiac).filter(([, each]) => each?.prototype instanceof Error);
    console.log(JSON.stringify(errors.map(([name, each]) => [name, each.name])));`,
  );
  const names: [string, string][] = JSON.parse((await runProgram('names.mjs')).stdout);
  expect(names.map(([, name]) => name)).toEqual(names.map(([exported]) => exported));
  expect(names.flat()).toContain('SignatureError');
});

test('run can be stopped, and says what is missing', async () => {
  writeFileSync(
    join(program, 'stop.mjs'),
    `import { build, closeStore, openStore, run } from 'wiac';
const store = await openStore(process.env.WIAC_ROOT);
const { lowerdirs } = await build(store, { context: process.argv[2] });
await closeStore(store);
const argv = ['/bin/sh', '-c', 'sleep 98765 & sleep 98765'];
for (const isolation of ['namespaces', 'chroot'])
  for (const stop of [AbortSignal.abort('before'), AbortSignal.timeout(1000)])
    console.log(isolation, await run({ lowerdirs, argv, signal: stop, isolation }).catch((error) => error.name ?? error));
for (const wrong of [{ lowerdirs: '', argv }, { lowerdirs, argv: [] }])
  console.log(await run(wrong).catch(({ code, message }) => code + ': ' + message));
`,
  );
  const root = context({ Dockerfile: dockerfile() });
  const { stdout, exitCode } = await runProgram('stop.mjs', root);
  expect({ lines: stdout.split('\n'), exitCode }).toEqual({
    lines: [
      'namespaces before',
      'namespaces TimeoutError',
      'chroot before',
      'chroot TimeoutError',
      'USAGE: lowerdirs is empty: did the build fail?',
      'USAGE: argv is empty: there is no program to run',
    ],
    exitCode: 0,
  });
  expect((await execa('pgrep', ['-f', 'sleep 98765'], { reject: false })).stdout).toBe('');
});

test('its types hold for a program in strict TypeScript', async () => {
  writeFileSync(
    join(program, 'typed.ts'),
    `import { build, type BuildEvent, closeStore, openStore, type DockerfileResult } from 'wiac';
const store = await openStore('/tmp/x');
const onEvent = (event: BuildEvent): string | undefined =>
  event.type === 'output' ? event.text : undefined;
const result: DockerfileResult = await build(store, { context: '.', onEvent: (event) => void onEvent(event) });
const lowerdirs: string = result.lowerdirs;
await closeStore(store);
// @ts-expect-error a context is needed
await build(store, { lowerdirs });
`,
  );
  const flags = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022'];
  const tsc = join(process.cwd(), 'node_modules/.bin/tsc');
  const node = ['--module', 'nodenext', '--types', 'node', '--typeRoots'];
  const types = join(process.cwd(), 'node_modules/@types');
  const { stdout, exitCode } = await execa(tsc, [...flags, ...node, types, 'typed.ts'], {
    cwd: program,
    reject: false,
  });
  expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 0 });
});

test('a signal ends a build, and the engine leaves the process as it is', async () => {
  writeFileSync(
    join(program, 'stop.mjs'),
    `import { build, closeStore, openStore } from 'wiac';
const before = [process.cwd(), JSON.stringify(process.env), process.eventNames().sort().join()];
const store = await openStore(process.env.WIAC_ROOT);
const controller = new AbortController();
const events = [];
const onEvent = (event) => {
  events.push(event);
  if (event.type === 'output') controller.abort(new Error('enough'));
};
const failure = await build(store, { context: process.argv[2], signal: controller.signal, onEvent }).catch((error) => error);
await closeStore(store);
const after = [process.cwd(), JSON.stringify(process.env), process.eventNames().sort().join()];
console.log(JSON.stringify({ message: failure.message, same: String(before) === String(after), events }));
`,
  );
  const root = context({ Dockerfile: dockerfile('RUN echo begun; sleep 1000') });
  const { stdout } = await runProgram('stop.mjs', root);
  const { message, same, events } = JSON.parse(stdout);
  expect({ message, same }).toEqual({ message: 'enough', same: true });
  expect(events[0]).toMatchObject({ type: 'planned', version: EVENTS_VERSION });
  expect(events.at(-1)).toMatchObject({ type: 'stopped' });
});

test('what a listener throws ends the build, wherever it was called from', async () => {
  writeFileSync(
    join(program, 'throw.mjs'),
    `import { build, closeStore, openStore } from 'wiac';
const store = await openStore(process.env.WIAC_ROOT);
const failures = [];
for (const type of ['planned', 'started', 'output', 'finished', 'built']) {
  const heard = [];
  const onEvent = (event) => {
    heard.push(event.type);
    if (event.type === type) throw new Error(type);
  };
  const request = { context: process.argv[2], noCache: true, onEvent };
  const failure = await build(store, request).catch((error) => error);
  failures.push([failure.message, heard.at(-1)]);
}
await closeStore(store);
console.log(JSON.stringify(failures));
`,
  );
  const root = context({ Dockerfile: dockerfile('RUN echo begun') });
  const { stdout } = await runProgram('throw.mjs', root);
  const types = ['planned', 'started', 'output', 'finished', 'built'];
  expect(JSON.parse(stdout)).toEqual(types.map((type) => [type, type]));
});

test('two copies of wiac in one process read what they have written', async () => {
  const modules = join(program, 'node_modules');
  cpSync(join(modules, 'wiac'), join(modules, 'other'), { recursive: true });
  writeFileSync(
    join(program, 'copies.mjs'),
    `const copies = await Promise.all(['wiac', 'other'].map((name) => import(name)));
for (const order of [copies, [...copies].reverse()])
  for (const { openStore, build, closeStore } of order) {
    const store = await openStore(process.env.WIAC_ROOT);
    console.log((await build(store, { context: process.argv[2] })).lowerdirs);
    await closeStore(store);
  }
`,
  );
  const root = context({ Dockerfile: dockerfile('RUN echo both > /file') });
  const { stdout, stderr } = await runProgram('copies.mjs', root);
  const lines = stdout.split('\n');
  expect({ different: new Set(lines).size, lines: lines.length, stderr }).toEqual({
    different: 1,
    lines: 4,
    stderr: '',
  });
});

test('a store whose path was a relative one stays where it is when the program goes elsewhere', async () => {
  writeFileSync(
    join(program, 'elsewhere.mjs'),
    `import { build, closeStore, openStore } from 'wiac';
const store = await openStore('relative');
process.chdir('/');
console.log((await build(store, { context: process.argv[2] })).lowerdirs.split(':')[0]);
await closeStore(store);
`,
  );
  const root = context({ Dockerfile: dockerfile('RUN echo here > /file') });
  const { stdout, stderr } = await runProgram('elsewhere.mjs', root);
  expect(stderr).toBe('');
  expect(readFileSync(join(stdout, 'file'), 'utf8')).toBe('here\n');
  expect(stdout.startsWith(join(program, 'relative'))).toBe(true);
});

test("a program's own executor carries steps out", async () => {
  writeFileSync(
    join(program, 'executor.mjs'),
    `import { build, closeStore, localExecutor, openStore } from 'wiac';
const store = await openStore(process.env.WIAC_ROOT);
const texts = [];
const executor = (machine) => {
  const local = localExecutor({ ...machine, isolation: 'namespaces', limits: {}, network: 'host' });
  const execute = (step, ...given) => (texts.push(step.text), local.execute(step, ...given));
  return { ...local, execute };
};
await build(store, { context: process.argv[2], noCache: true, executor });
await closeStore(store);
console.log(JSON.stringify(texts));
`,
  );
  const root = context({ Dockerfile: dockerfile('RUN echo mine') });
  const { stdout } = await runProgram('executor.mjs', root);
  expect(JSON.parse(stdout).at(-1)).toBe('RUN echo mine');
});

test('docs/library.md names every function', () => {
  const page = readFileSync('docs/library.md', 'utf8');
  const index = readFileSync('src/engine/index.ts', 'utf8');
  const names = [...index.matchAll(/^export \{([^}]*)\}/gm)].flatMap(([, list = '']) =>
    list.split(',').map((name) => name.trim().split(' as ').at(-1) ?? ''),
  );
  for (const name of names) expect(page).toContain(name);
});
