/** `--progress=rawjson`: BuildKit's SolveStatus, for those who read buildx's. */
import { expect, test } from '@jest/globals';
import type { SolveStatus } from '../../src/ui/rawjson.js';
import { context, dockerfile, machine } from '../support/wiac.js';

type Read = Required<{ [K in keyof SolveStatus]: NonNullable<SolveStatus[K]>[number][] }>;

/** All that the lines say, in their order. */
function read(stderr: string): Read {
  const statuses = stderr
    .trimEnd()
    .split('\n')
    .map((line): SolveStatus => JSON.parse(line));
  return {
    vertexes: statuses.flatMap(({ vertexes = [] }) => vertexes),
    statuses: statuses.flatMap((status) => status.statuses ?? []),
    logs: statuses.flatMap(({ logs = [] }) => logs),
    warnings: statuses.flatMap(({ warnings = [] }) => warnings),
  };
}

const text = (data = '') => Buffer.from(data, 'base64').toString();
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
const DIGEST = expect.stringMatching(/^sha256:[0-9a-f]{64}$/);

test('vertexes, logs and warnings; then everything is cached', async () => {
  const { wiac } = machine();
  const Dockerfile = dockerfile('WORKDIR x', 'ENV A=b', 'RUN echo said; echo more >&2');
  const root = context({ Dockerfile });
  const first = await wiac(['build', '--progress=rawjson', '--build-arg', 'NOSUCH=1', root]);
  expect(first.exitCode).toBe(0);
  const { vertexes, logs, warnings } = read(first.stderr);
  const run = vertexes.filter(({ name }) => name.includes('RUN echo'));
  expect(run).toEqual([
    { digest: DIGEST, name: run[0]?.name, inputs: [DIGEST] },
    { digest: DIGEST, name: run[0]?.name, inputs: [DIGEST], started: TIME },
    { digest: DIGEST, name: run[0]?.name, inputs: [DIGEST], started: TIME, completed: TIME },
  ]);
  const workdir = vertexes.find(({ name }) => name.includes('WORKDIR x'));
  // ENV stands between them, and makes nothing.
  expect(run[0]?.inputs).toEqual([workdir?.digest]);
  expect(vertexes.some(({ name }) => name.includes('ENV'))).toBe(false);
  expect(logs).toHaveLength(2);
  expect(logs[0]).toEqual({
    vertex: run[0]?.digest,
    stream: 1,
    data: expect.any(String),
    timestamp: TIME,
  });
  expect(logs.map(({ data }) => text(data)).sort()).toEqual(['more\n', 'said\n']);
  expect(warnings.map(({ short }) => text(short))).toEqual([
    expect.stringContaining('NOSUCH'),
    expect.stringContaining('WorkdirRelativePath: '),
  ]);
  const [, lint] = warnings;
  expect(lint).toMatchObject({
    vertex: vertexes.find(({ name }) => name.startsWith('[internal] load build definition'))
      ?.digest,
    url: expect.stringContaining('workdir-relative-path'),
    range: [{ start: { line: expect.any(Number) } }],
  });

  const again = read((await wiac(['build', '--progress=rawjson', root])).stderr);
  const cached = again.vertexes.filter((vertex) => vertex.cached);
  expect(cached.map(({ digest }) => digest)).toContain(run[0]?.digest);
  expect(again.logs).toEqual([]);
});

test('a step that fails has its error; the last line is JSON as well', async () => {
  const root = context({ Dockerfile: dockerfile('RUN exit 3') });
  const { stderr, exitCode } = await machine().wiac(['build', '--progress', 'rawjson', root]);
  expect(exitCode).toBe(5);
  const failed = read(stderr).vertexes.at(-1);
  expect(failed).toMatchObject({ completed: TIME, error: expect.stringContaining('exit code 3') });
  expect(JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({ type: 'error' });
});

test('an error before the build, and BUILDKIT_PROGRESS', async () => {
  const root = context({ Dockerfile: 'FROM scratch\n' });
  const made = machine();
  const args = ['build', '--target', 'nosuch', root];
  const { stderr } = await made.wiac(args, { env: { BUILDKIT_PROGRESS: 'rawjson' } });
  expect(JSON.parse(stderr)).toMatchObject({ type: 'error', code: 'DOCKERFILE' });
});
