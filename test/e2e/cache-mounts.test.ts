/** RUN --mount=type=cache: whose content a cache has, and where it can be mounted. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { context, dockerfile, machine, outputOf } from '../support/wiac.js';

const BEGIN = `FROM scratch AS source
COPY bin /bin
COPY seed /seed
`;

describe('from=', () => {
  test('another content of the source is another cache, and runs the step again', async () => {
    const root = context({
      Dockerfile: `${BEGIN}${dockerfile(
        'RUN --mount=type=cache,target=/c,from=source,source=/seed cat /c/file; echo used >> /c/file',
      )}`,
      'seed/file': 'first\n',
    });
    const { build } = machine();
    expect(outputOf((await build(root)).events)).toEqual(['first']);
    writeFileSync(join(root, 'seed/file'), 'second\n');
    expect(outputOf((await build(root)).events)).toEqual(['second']);
    // The former cache is still there, with what the step left in it.
    writeFileSync(join(root, 'seed/file'), 'first\n');
    expect(outputOf((await build(root, '--no-cache')).events)).toEqual(['first', 'used']);
  });

  test('a directory that the source lacks is an error with its place', async () => {
    const root = context({
      Dockerfile: `${BEGIN}${dockerfile('RUN --mount=type=cache,target=/c,from=source,source=/no true')}`,
      'seed/file': 'first\n',
    });
    const { exitCode, stderr } = await machine().wiac(['build', root]);
    expect(exitCode).toBe(4);
    expect(stderr).toContain('Dockerfile:6');
  });
});
