import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { checkDockerfile, formatWarnings } from '../../src/check/check-dockerfile.js';
import type { Dockerfile } from '../../src/dockerfile/ast.js';
import { parseDockerfile } from '../../src/dockerfile/parse-dockerfile.js';
import { DockerfileError } from '../../src/util/errors.js';

/** The Dockerfile, or undefined when the text is none. */
function parsed(text: string): Dockerfile | undefined {
  try {
    return parseDockerfile(text, 'Dockerfile');
  } catch (error) {
    if (error instanceof DockerfileError) return undefined;
    throw error;
  }
}

const LINES = [
  ...['FROM a AS Ab', 'from $x as ab', 'FROM --platform=$y/${z%%*} ab', 'FROM ab', 'FROM :'],
  ...['# ab about', '# x about', '#', 'ARG x=$y z', 'ARG key', 'arg __proto__=$constructor'],
  ...['ENV a $b', 'ENV $a=${b:?no} c="$d"', 'ENV a=${b/\\x/y}', 'LABEL a b', 'LABEL "a=b'],
  ...[
    'COPY $a ${b} /',
    'ADD --chown=$a <<E b /c/\n$x ${\nE',
    'COPY --from=0 . .',
    'COPY a \\\n\n/',
  ],
  ...['RUN --mount=type=$a,target=/$b x', 'RUN --mount=a,b x', 'RUN <<E\nx\nE', 'WORKDIR $a'],
  ...['EXPOSE $x 1:2:3/TCP', 'EXPOSE "80', 'EXPOSE a:/', 'CMD x', 'CMD ["x"]', 'entrypoint x'],
  ...[
    'ONBUILD CMD x',
    'ONBUILD COPY $a $b /',
    'SHELL ["x"]',
    'VOLUME $x',
    'USER "',
    'HEALTHCHECK NONE',
  ],
  ...['MAINTAINER x', 'STOPSIGNAL $1', 'Run x'],
];
const line = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...LINES) },
  fc
    .tuple(
      fc.constantFrom('FROM', 'ARG', 'ENV', 'COPY', 'EXPOSE', 'WORKDIR', 'ONBUILD ENV', 'LABEL'),
      fc.string({ unit: fc.constantFrom(...'a$ {}:-%#/="\'\\`[]/.0\u0085é😀'), maxLength: 12 }),
    )
    .map((parts) => parts.join(' ')),
);
const dockerfiles = fc
  .tuple(
    fc.constantFrom(
      '',
      '# escape=`\n',
      '# check=skip=UndefinedVar\n',
      '# check=experimental=all\n',
    ),
    fc.array(line, { maxLength: 3 }),
    fc.constantFrom('FROM scratch', 'FROM ${x:-scratch} AS ab', 'from b as constructor'),
    fc.array(line, { maxLength: 10 }),
  )
  .map(([head, before, from, after]) => `${head}${[...before, from, ...after].join('\n')}`);

test('any Dockerfile is checked, and every warning points into it', () => {
  let checked = 0;
  let found = 0;
  fc.assert(
    fc.property(
      dockerfiles,
      fc.dictionary(fc.constantFrom('x', 'y', 'constructor'), fc.string({ maxLength: 4 })),
      fc.constantFrom('linux/amd64', 'linux/arm/v7', 'nonsense/'),
      fc.boolean(),
      (text, buildArgs, platform, known) => {
        const dockerfile = parsed(text);
        if (dockerfile === undefined) return;
        const image = { platform, config: { Env: ['b=c', 'd'], OnBuild: ['RUN x', 'ENV "', ''] } };
        const result = checkDockerfile(dockerfile, {
          buildArgs,
          platform,
          ignores: (path) => path.length % 2 === 0,
          baseImage: known ? () => image : undefined,
        });
        checked++;
        found += result.warnings.length;
        for (const { location, detail } of result.warnings) {
          expect(location.line).toBeGreaterThanOrEqual(1);
          expect(location.endLine).toBeGreaterThanOrEqual(location.line);
          expect(location.endLine).toBeLessThanOrEqual(dockerfile.lines.length);
          expect(detail).not.toBe('');
        }
        formatWarnings(result, dockerfile, 'text');
        const json = JSON.parse(formatWarnings(result, dockerfile, 'json'));
        expect(json.warnings).toHaveLength(result.warnings.length);
      },
    ),
    { numRuns: 3000 },
  );
  // A generator whose texts never parse, or never warn, would prove nothing.
  expect(checked).toBeGreaterThan(100);
  expect(found).toBeGreaterThan(100);
});

test('a Dockerfile without mistakes has no warnings', () => {
  const name = fc
    .stringMatching(/^[a-z]{1,8}$/)
    .filter((word) => !['context', 'scratch'].includes(word));
  fc.assert(
    fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 5 }), (names) => {
      const stages = names.map(
        (stage) =>
          `FROM scratch AS ${stage}\nARG v${stage}=1\nWORKDIR /$v${stage}\nCOPY a b$v${stage} ./\nCMD ["x"]`,
      );
      const dockerfile = parseDockerfile(stages.join('\n'), 'Dockerfile');
      const options = { buildArgs: {}, platform: 'linux/amd64', ignores: () => false };
      expect(checkDockerfile(dockerfile, options)).toEqual({ warnings: [], error: false });
    }),
  );
});
