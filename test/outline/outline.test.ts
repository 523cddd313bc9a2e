import { describe, expect, test } from '@jest/globals';
import { parseDockerfile } from '../../src/dockerfile/parse-dockerfile.js';
import { formatOutline, formatTargets } from '../../src/outline/format-outline.js';
import { getOutline } from '../../src/outline/outline.js';
import { listTargets } from '../../src/outline/targets.js';

const TEXT = `# VERSION is that of the program
ARG VERSION=3
ARG SUFFIX=-slim
ARG UNUSED=1
ARG BASE=debian:\${VERSION}\${SUFFIX}

# base has the tools
# and more
FROM scratch AS base
ARG NOT_NEEDED

FROM scratch AS tools
ARG NEEDED=yes
FROM scratch
# release is what is shipped
FROM --platform=$BUILDPLATFORM $BASE AS Release
# INNER counts
ARG INNER=4 VERSION
ENV FROM_ENV=$INNER
ARG OTHER=$FROM_ENV
COPY --from=tools /x /y
RUN --mount=type=secret,id=token --mount=type=ssh --mount=type=cache,target=/c true
RUN --mount=type=secret,id=token,required true
`;
const dockerfile = parseDockerfile(TEXT, 'Dockerfile');

function outline(buildArgs: Readonly<Record<string, string>> = {}, target?: string) {
  const platform = 'linux/amd64';
  return getOutline(dockerfile, { buildArgs, platform, ignores: undefined }, target);
}

const at = (line: number) => ({ ranges: [{ start: { line }, end: { line } }] });

describe('outline', () => {
  test('what the target takes from outside, and where', () => {
    const { args = [], sources, ...rest } = outline();
    expect(args.map(({ name, value, location }) => [name, value, location])).toEqual([
      ['VERSION', '3', at(2)],
      ['SUFFIX', '-slim', at(3)],
      ['BASE', 'debian:3-slim', at(5)],
      ['NEEDED', 'yes', at(13)],
      ['INNER', '4', at(18)],
      ['VERSION', '3', at(18)],
      ['OTHER', '4', at(20)],
    ]);
    expect(Buffer.from(sources[0] ?? '', 'base64').toString()).toBe(TEXT.trimEnd());
    expect(rest).toEqual({
      name: 'release',
      description: 'is what is shipped',
      secrets: [{ name: 'token', required: true, location: at(22) }],
      ssh: [{ name: 'default', location: at(22) }],
      cache: [{ ID: '/c', location: at(22) }],
    });
  });

  test('what is given counts; another target has other arguments', () => {
    const given = outline({ BASE: 'scratch', INNER: '5' });
    const values = Object.fromEntries((given.args ?? []).map(({ name, value }) => [name, value]));
    expect(values).toEqual({
      BASE: 'scratch',
      NEEDED: 'yes',
      INNER: '5',
      VERSION: '3',
      OTHER: '5',
    });
    const { sources, ...base } = outline({}, 'base');
    expect(base).toEqual({
      name: 'base',
      description: 'has the tools',
      args: [{ name: 'NOT_NEEDED', location: at(10) }],
    });
    expect(() => outline({}, 'bas')).toThrow('there is no build stage bas');
  });

  test('as text', () => {
    expect(formatOutline(outline({}, 'base'))).toBe(
      'TARGET:      base\nDESCRIPTION: has the tools\n\nBUILD ARG    VALUE   DESCRIPTION\nNOT_NEEDED\n',
    );
    expect(formatOutline(outline())).toBe(`TARGET:      release
DESCRIPTION: is what is shipped

BUILD ARG   VALUE           DESCRIPTION
VERSION     3               is that of the program
SUFFIX      -slim
BASE        debian:3-slim
NEEDED      yes
INNER       4               counts
VERSION     3               is that of the program
OTHER       4

SECRET   REQUIRED
token    true

SSH       REQUIRED
default
`);
  });
});

describe('targets', () => {
  test('all stages, and those with a name as text', () => {
    const list = listTargets(dockerfile);
    expect(list.targets).toEqual([
      { name: 'base', description: 'has the tools', base: 'scratch', location: at(9) },
      { name: 'tools', base: 'scratch', location: at(12) },
      { base: 'scratch', location: at(14) },
      {
        name: 'release',
        default: true,
        description: 'is what is shipped',
        base: '$BASE',
        platform: '$BUILDPLATFORM',
        location: at(16),
      },
    ]);
    expect(formatTargets(list)).toBe(
      'TARGET            DESCRIPTION\nbase              has the tools\ntools\nrelease (default) is what is shipped\n',
    );
  });
});
