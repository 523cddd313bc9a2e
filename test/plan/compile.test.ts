/** Dockerfile to DAG, without a store. */
import { describe, expect, test } from '@jest/globals';
import { parseDockerfile } from '../../src/dockerfile/parse-dockerfile.js';
import { parseBuildContexts } from '../../src/engine/inputs/build-contexts.js';
import { compile } from '../../src/plan/compile.js';
import type { PlanOptions } from '../../src/plan/plan.js';
import { DEFAULT_SHM_BYTES } from '../../src/plan/plan.js';

const OPTIONS: PlanOptions = {
  buildArgs: {},
  target: undefined,
  platform: 'linux/amd64',
  buildPlatform: 'linux/amd64',
  labels: {},
  network: 'default',
  resources: { extraHosts: [], shmSize: DEFAULT_SHM_BYTES, ulimits: [] },
  allowed: [],
  contexts: new Map(),
  image: (reference) => ({
    reference,
    digest: 'sha256:0',
    config: { Env: ['PATH=/p'], WorkingDir: '/' },
    history: [],
  }),
};

function plan(lines: string[], options: Partial<PlanOptions> = {}) {
  return compile(parseDockerfile(`${lines.join('\n')}\n`, 'Dockerfile'), {
    ...OPTIONS,
    ...options,
  });
}

const texts = (lines: string[], options?: Partial<PlanOptions>) =>
  plan(lines, options).steps.map(({ text }) => text);

describe('the graph', () => {
  test('the same text gives the same plan, byte for byte', () => {
    const lines = ['FROM scratch AS a', 'COPY x /x', 'FROM a', 'RUN y', 'COPY --from=a /x /z'];
    expect(JSON.stringify(plan(lines))).toBe(JSON.stringify(plan(lines)));
  });

  test('a step that two stages share is one node', () => {
    const lines = [
      'FROM scratch AS a',
      'COPY x /x',
      'FROM scratch AS b',
      'COPY x /x',
      'RUN b',
      'FROM a',
      'COPY --from=b /r /r',
    ];
    expect(texts(lines).filter((text) => text === 'COPY x /x')).toHaveLength(1);
  });

  test('unreached stages are absent, whatever is wrong in them', () => {
    expect(texts(['FROM nowhere AS a', 'FROM scratch', 'COPY x /x'])).toEqual([
      'FROM scratch',
      'COPY x /x',
    ]);
  });

  test('every step stands after what it depends on', () => {
    const { steps } = plan(
      ['FROM scratch AS first', 'COPY x /a', 'FROM scratch', 'COPY --from=0 /a /b'],
      { target: '1' },
    );
    const seen = new Set<string>();
    for (const { id, parent, reads } of steps) {
      expect([parent, ...reads].filter((item) => item !== undefined && !seen.has(item))).toEqual(
        [],
      );
      seen.add(id);
    }
  });
});

describe('variables', () => {
  const runEnv = (lines: string[], options?: Partial<PlanOptions>) => {
    const step = plan(lines, options).steps.at(-1);
    return step?.kind === 'run'
      ? Object.fromEntries(step.env.filter(([name]) => name !== 'PATH'))
      : undefined;
  };

  test.each<[string, string[], Record<string, string>, Record<string, string>]>([
    [
      'ENV wins over ARG',
      ['FROM scratch', 'ARG A=arg', 'ENV A=env', 'RUN x'],
      { A: 'given' },
      { A: 'env' },
    ],
    [
      'a global ARG counts where it is declared again',
      ['ARG A=global', 'FROM scratch', 'ARG A', 'RUN x'],
      {},
      { A: 'global' },
    ],
    ['and nowhere else', ['ARG A=global', 'FROM scratch', 'RUN x'], {}, {}],
    [
      'a stage inherits the ARGs of its base',
      ['FROM scratch AS a', 'ARG A=1', 'FROM a', 'RUN x'],
      {},
      { A: '1' },
    ],
    [
      'pairs of one ENV see the values before it',
      ['FROM scratch', 'ENV a=1', 'ENV a=2 b=$a', 'RUN x'],
      {},
      { a: '2', b: '1' },
    ],
    ['TARGETARCH', ['FROM scratch', 'ARG TARGETARCH', 'RUN x'], {}, { TARGETARCH: 'amd64' }],
    [
      'TARGETARCH that was given',
      ['FROM scratch', 'ARG TARGETARCH', 'RUN x'],
      { TARGETARCH: 's390x' },
      { TARGETARCH: 's390x' },
    ],
    [
      'names that every object has',
      ['ARG toString', 'FROM scratch', 'ARG constructor', 'ARG toString=1', 'RUN x'],
      {},
      { toString: '1' },
    ],
  ])('%s', (_, lines, buildArgs, expected) => {
    expect(runEnv(lines, { buildArgs })).toEqual(expected);
  });

  test.each([
    [{ buildArgs: {} }, 'base-amd64'],
    [{ buildArgs: { TARGETARCH: 's390x' } }, 'base-s390x'],
  ])('%j: FROM sees what was given for the platform', (options, reference) => {
    const asked = new Set<string>();
    const image: PlanOptions['image'] = (...request) => {
      asked.add(request[0]);
      return OPTIONS.image(...request);
    };
    const { warnings } = plan(['FROM base-$TARGETARCH', 'RUN x'], { ...options, image });
    expect([[...asked], warnings]).toEqual([[reference], []]);
  });

  test('a proxy argument reaches RUN but no key; declared, it counts', () => {
    const hidden = plan(['FROM scratch', 'RUN x'], { buildArgs: { HTTP_PROXY: 'p' } }).steps.at(-1);
    expect(hidden).toMatchObject({
      hiddenEnv: [
        ['HTTP_PROXY', 'p'],
        ['http_proxy', 'p'],
      ],
    });
    expect(
      runEnv(['FROM scratch', 'ARG HTTP_PROXY', 'RUN x'], { buildArgs: { HTTP_PROXY: 'p' } }),
    ).toEqual({ HTTP_PROXY: 'p' });
  });

  test('an argument nobody declares is a warning', () => {
    const inline = { buildArgs: { BUILDKIT_INLINE_CACHE: '1' } };
    expect(plan(['FROM scratch'], inline).warnings).toEqual([
      expect.stringMatching(/BUILDKIT_INLINE_CACHE changes nothing: --cache-to type=inline /),
    ]);
    expect(plan(['FROM scratch'], { buildArgs: { TYPO: '1' } }).warnings).toEqual([
      expect.stringContaining('TYPO'),
    ]);
  });
});

describe('the config', () => {
  test('every instruction that makes no layer', () => {
    const { config, history } = plan([
      'FROM scratch',
      'ENV A=1',
      'LABEL l=$A "two words"="x y"',
      'EXPOSE 80 53/udp',
      'VOLUME /data ["/x"]'.replace(' ["/x"]', ''),
      'USER 1:2',
      'WORKDIR /a',
      'WORKDIR b',
      'STOPSIGNAL SIGINT',
      'HEALTHCHECK --interval=1m30s --retries=2 CMD test',
      'SHELL ["/bin/bash", "-c"]',
      'CMD run it',
    ]);
    expect(config).toEqual({
      Env: [expect.stringContaining('PATH='), 'A=1'],
      Labels: { l: '1', 'two words': 'x y' },
      ExposedPorts: { '80/tcp': {}, '53/udp': {} },
      Volumes: { '/data': {} },
      User: '1:2',
      WorkingDir: '/a/b',
      StopSignal: 'SIGINT',
      Healthcheck: { Test: ['CMD-SHELL', 'test'], Interval: 90e9, Retries: 2 },
      Shell: ['/bin/bash', '-c'],
      Cmd: ['/bin/bash', '-c', 'run it'],
    });
    expect(
      history.filter(({ empty_layer }) => !empty_layer).map(({ created_by }) => created_by),
    ).toEqual(['WORKDIR /a', 'WORKDIR /a/b']);
  });

  test('history speaks as BuildKit does', () => {
    const { history } = plan([
      'FROM scratch',
      'ARG V=1 W',
      'ENV PATH=/x:$PATH B="two words"',
      'LABEL l=$V',
      'COPY --chown=1:2 --parents a$V b /c/',
      'COPY <<EOF /f',
      'text',
      'EOF',
      'RUN echo "x"',
      'RUN ["/bin/x", "y"]',
      'WORKDIR w',
      'EXPOSE 80-81',
      'VOLUME /a /b',
      'CMD ["say", "\\"hi\\""]',
      'ENTRYPOINT run it',
      'ONBUILD RUN x',
      'HEALTHCHECK --interval=90s --timeout=500ms --retries=3 CMD test',
      'SHELL ["/bin/bash", "-c"]',
      'RUN x',
      'USER 5',
      'STOPSIGNAL SIGINT',
    ]);
    const path = '/x:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    expect(history.map(({ created_by }) => created_by)).toEqual([
      'ARG V=1 W',
      `ENV PATH=${path} B=two words`,
      'LABEL l=1',
      'COPY --parents --chown=1:2 a1 b /c/ # buildkit',
      'COPY <<EOF /f # buildkit',
      'RUN |2 V=1 W= /bin/sh -c echo "x" # buildkit',
      'RUN |2 V=1 W= /bin/x y # buildkit',
      'WORKDIR /w',
      'EXPOSE [80/tcp 81/tcp]',
      'VOLUME [/a /b]',
      'CMD ["say" "\\"hi\\""]',
      'ENTRYPOINT ["/bin/sh" "-c" "run it"]',
      `HEALTHCHECK &{["CMD-SHELL" "test"] "1m30s" "500ms" "0s" "0s" '\\x03'}`,
      'SHELL [/bin/bash -c]',
      'RUN |2 V=1 W= /bin/bash -c x # buildkit',
      'USER 5',
      'STOPSIGNAL SIGINT',
    ]);
    expect(new Set(history.map(({ comment }) => comment))).toEqual(
      new Set(['buildkit.dockerfile.v0']),
    );
    expect(history.filter(({ empty_layer }) => !empty_layer)).toHaveLength(6);
  });

  test('--label comes last', () => {
    expect(plan(['FROM scratch', 'LABEL a=1 b=2'], { labels: { a: '3' } }).config.Labels).toEqual({
      a: '3',
      b: '2',
    });
  });

  test('--security=insecure needs to be allowed', () => {
    const lines = ['FROM scratch', 'RUN --security=insecure x'];
    expect(() => plan(lines)).toThrow('not allowed');
    expect(plan(lines, { allowed: ['security.insecure'] }).steps.at(-1)).toMatchObject({
      security: 'insecure',
    });
  });
});

test("stages for Windows have Windows' shell and PATH", () => {
  const { steps, config } = plan(
    ['FROM scratch', 'RUN dir', 'CMD dir', 'HEALTHCHECK CMD dir', 'FROM scratch AS linux'],
    { platform: 'windows/amd64', target: '0' },
  );
  expect(config).toMatchObject({
    Env: ['PATH=c:\\Windows\\System32;c:\\Windows'],
    Cmd: ['cmd', '/S', '/C', 'dir'],
    Healthcheck: { Test: ['CMD-SHELL', 'dir'] },
  });
  expect(steps.find(({ kind }) => kind === 'run')).toMatchObject({
    argv: ['cmd', '/S', '/C', 'dir'],
  });
  const mixed = plan(['FROM --platform=linux/amd64 scratch', 'RUN x'], {
    platform: 'windows/amd64',
  });
  expect(mixed.steps.at(-1)).toMatchObject({ argv: ['/bin/sh', '-c', 'x'] });
});

describe('named contexts', () => {
  const given = (contexts: Record<string, string>): Partial<PlanOptions> => ({
    contexts: parseBuildContexts(contexts).contexts,
  });
  const sources = (lines: string[], contexts: Record<string, string>) =>
    plan(lines, given(contexts)).steps.flatMap((step) =>
      step.kind === 'copy' && step.from === undefined
        ? [`files of ${step.context}`]
        : step.kind === 'source'
          ? [step.reference]
          : [],
    );

  test.each([
    ['alpine', 'alpine:latest'],
    ['alpine:latest', 'alpine'],
    ['docker.io/library/alpine', 'alpine:latest'],
    ['alpine', 'index.docker.io/library/alpine'],
    ['library/alpine:3', 'docker.io/alpine:3'],
    ['host.example/a/b:latest', 'host.example/a/b'],
  ])('%s is %s', (name, used) => {
    expect(sources([`FROM ${used}`], { [name]: 'docker-image://other:1' })).toEqual(['other:1']);
    const copied = sources(['FROM scratch', `COPY --from=${used} /x /`], { [name]: 'd' });
    expect(copied).toHaveLength(2);
    expect(copied[1]).toMatch(/^files of /);
  });

  test.each([
    ['alpine:3', 'alpine'],
    ['alpine', 'alpine:3'],
    ['host.example/alpine', 'alpine'],
    ['alpine', `alpine@sha256:${'0'.repeat(64)}`],
    ['scratch', 'scratch'],
  ])('%s is not %s', (name, used) => {
    expect(sources([`FROM ${used}`], { [name]: 'docker-image://other:1' })).toEqual([used]);
  });

  const stages = ['FROM nowhere AS Lib', 'RUN never', 'FROM scratch'];

  test.each(['Lib', 'lib', '0'])(
    'one of the name of a stage takes its place for --from=%s',
    (from) => {
      const lines = [...stages, `COPY --from=${from} /x /`];
      expect(sources(lines, { lib: 'd' })).toContain('files of lib');
      expect(sources(lines, { lib: 'd' })).not.toContain('nowhere');
      expect(texts(lines, given({ lib: 'd' }))).not.toContain('RUN never');
    },
  );

  test('a stage that is the target is what the context of its name holds', () => {
    const target = { ...given({ lib: 'docker-image://other:1' }), target: 'lib' };
    expect(texts(stages, target)).toEqual(['FROM nowhere AS Lib']);
    expect(plan(stages, target).steps[0]).toMatchObject({ reference: 'other:1' });
  });

  test('--from=scratch is nothing, and no image of that name', () => {
    expect(sources(['FROM image', 'RUN --mount=from=scratch,target=/x y'], {})).toEqual([
      'image',
      'scratch',
    ]);
  });
});

describe('what a program finds that is started after a step', () => {
  const lines = [
    ...['FROM image AS base', 'ENV A=1 B=2', 'WORKDIR /w', 'FROM base AS top', 'ARG C=3'],
    ...['ENV A=$C', 'USER me', 'COPY x /', 'FROM scratch', 'COPY --from=top /x /', 'USER other'],
  ];

  test('ENV, USER and WORKDIR of all steps below, those of the stage before as well', () => {
    const { steps, settings } = plan(lines);
    const settingsAfter = (text: string) => {
      const step = steps.find((each) => each.text === text);
      return step && settings(step.id);
    };
    const path = ['PATH', '/p'];
    const [one, two] = [
      ['A', '1'],
      ['B', '2'],
    ];
    expect(settingsAfter('FROM image AS base')).toEqual({ env: [path], user: '', workdir: '/' });
    expect(settingsAfter('ENV A=1 B=2')).toEqual({ env: [path, one, two], user: '', workdir: '/' });
    expect(settingsAfter('ARG C=3')).toEqual({ env: [path, one, two], user: '', workdir: '/w' });
    const changed = [path, ['A', '3'], two];
    expect(settingsAfter('COPY x /')).toEqual({ env: changed, user: 'me', workdir: '/w' });
    expect(settingsAfter('COPY --from=top /x /')).toMatchObject({ user: '', workdir: '/' });
    expect(settingsAfter('USER other')).toMatchObject({ user: 'other', workdir: '/' });
  });
});
