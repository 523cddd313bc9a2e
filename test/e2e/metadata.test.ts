/** `--metadata-file` as buildx writes it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { warmMachines } from '../support/warm-command.js';
import { context, tempDir } from '../support/wiac.js';

const machine = warmMachines();

const TEXT = 'FROM scratch\nARG A\nWORKDIR x\nCOPY Dockerfile /\n';

async function metadata(env: Readonly<Record<string, string>>, ...flags: string[]) {
  const file = join(tempDir(), 'metadata');
  const root = context({ Dockerfile: TEXT });
  const args = ['build', '-q', '--metadata-file', file, '--build-arg', 'A=secret', ...flags, root];
  const { exitCode, stderr } = await machine().wiac(args, { env });
  expect({ exitCode, stderr: exitCode === 0 ? '' : stderr }).toEqual({ exitCode: 0, stderr: '' });
  return JSON.parse(readFileSync(file, 'utf8'));
}

const PROVENANCE = 'buildx.build.provenance';
const WARNINGS = 'buildx.build.warnings';

test('a minimal provenance and no warnings, unless the environment says otherwise', async () => {
  const plain = await metadata({});
  expect(plain[PROVENANCE]).toMatchObject({ buildDefinition: {}, runDetails: {} });
  expect(JSON.stringify(plain[PROVENANCE])).not.toContain('secret');
  expect(plain).not.toHaveProperty([WARNINGS]);
  // Nobody named the image or sent it anywhere: it is one all the same.
  for (const name of ['containerimage.digest', 'containerimage.config.digest'])
    expect(plain[name]).toMatch(/^sha256:[0-9a-f]{64}$/);
  const most = await metadata({ BUILDX_METADATA_PROVENANCE: 'max', BUILDX_METADATA_WARNINGS: '1' });
  expect(JSON.stringify(most[PROVENANCE])).toContain('secret');
  const [warning] = most[WARNINGS];
  expect(Buffer.from(warning.short, 'base64').toString()).toMatch(/^WorkdirRelativePath: .*line 3/);
  expect(warning).toMatchObject({ level: 1, range: [{ start: { line: 3 }, end: { line: 3 } }] });
  for (const value of ['disabled', 'false', '0'])
    expect(await metadata({ BUILDX_METADATA_PROVENANCE: value })).not.toHaveProperty([PROVENANCE]);
});

test('several platforms have one each, the warnings are there once', async () => {
  const flags = ['--platform', 'linux/amd64,linux/arm64'];
  const both = await metadata({ BUILDX_METADATA_WARNINGS: 'true' }, ...flags);
  for (const platform of ['linux/amd64', 'linux/arm64'])
    expect(both).toHaveProperty([`${PROVENANCE}/${platform}`]);
  expect(both[WARNINGS]).toHaveLength(1);
});

test.each([['BUILDX_METADATA_PROVENANCE'], ['BUILDX_METADATA_WARNINGS']])(
  '%s that means nothing is an error before the build',
  async (name) => {
    const args = ['build', '--metadata-file', join(tempDir(), 'x'), context({ Dockerfile: TEXT })];
    const { exitCode, stderr } = await machine().wiac(args, { env: { [name]: 'often' } });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 2,
      stderr: `wiac: ${name}=often is neither true nor false\n`,
    });
  },
);
