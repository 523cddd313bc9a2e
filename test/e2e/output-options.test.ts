/** Parameters of `-o` that are about several platforms or several names, as buildx has them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { startRegistry } from '../support/registry.js';
import { warmMachines } from '../support/warm-command.js';
import { context, tempDir, writeTree } from '../support/wiac.js';

const machine = warmMachines();

const PLATFORMS = ['--platform', 'linux/amd64,linux/arm64'];

/** A file for each platform, in a directory that both have. */
function root(name = '$TARGETARCH'): string {
  const Dockerfile = `FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /d/${name}\n`;
  const path = context({ Dockerfile });
  writeTree(path, { amd64: 'a', arm64: 'b' });
  return path;
}

describe('platform-split', () => {
  test('false: the files of all platforms in one directory, one archive', async () => {
    const { build } = machine();
    const dest = join(tempDir(), 'tree');
    await build(root(), ...PLATFORMS, '-o', `type=local,dest=${dest},platform-split=false`);
    expect(readdirSync(dest)).toEqual(['d']);
    expect(readFileSync(join(dest, 'd/arm64'), 'utf8')).toBe('b');
    const file = join(tempDir(), 'tree.tar');
    await build(root(), ...PLATFORMS, '-o', `type=tar,dest=${file},platform-split=false`);
    const { stdout } = await execa('tar', ['-tf', file]);
    expect([...new Set(stdout.split('\n'))].sort()).toEqual(['d/', 'd/amd64', 'd/arm64']);
  });

  test('true: a directory for one platform as well', async () => {
    const { build } = machine();
    const dest = join(tempDir(), 'tree');
    const flags = ['--platform', 'linux/arm64', '-o'];
    await build(root(), ...flags, `type=local,dest=${dest},platform-split=true`);
    expect(readFileSync(join(dest, 'linux_arm64/d/arm64'), 'utf8')).toBe('b');
    const file = join(tempDir(), 'tree.tar');
    await build(root(), ...flags, `type=tar,dest=${file},platform-split=1`);
    const { stdout } = await execa('tar', ['-tf', file]);
    expect(stdout.split('\n')).toContain('linux_arm64/d/arm64');
  });

  test.each(['local', 'tar'])('false: two files of one name are an error (%s)', async (type) => {
    const dest = join(tempDir(), 'tree');
    const output = `type=${type},dest=${dest},platform-split=false`;
    const { wiac } = machine();
    const result = await wiac(['build', ...PLATFORMS, '-o', output, root('same')]);
    expect(result.exitCode).toBe(11);
    expect(result.stderr).toContain('several platforms have a file /d/same');
    const wrong = await wiac(['build', '-o', `type=${type},dest=${dest},platform-split=x`, root()]);
    expect(wrong.exitCode).toBe(2);
  });
});

describe('several names', () => {
  test.each([
    ['in quotes', (a: string, b: string) => `type=image,"name=${a},${b}",push=true`],
    ['one after the other', (a: string, b: string) => `type=registry,name=${a},name=${b}`],
  ])('%s: kept and pushed under each', async (_, output) => {
    const registry = await startRegistry();
    try {
      const { wiac, build } = machine();
      const names = [`${registry.host}/a:1`, `${registry.host}/b/c:2`] as const;
      const metadata = join(tempDir(), 'metadata');
      await build(root(), '-o', output(...names), '--metadata-file', metadata);
      const { stdout } = await wiac(['images', '--format', '{{.Name}}']);
      expect(stdout.trim().split('\n')).toEqual(names);
      expect(JSON.parse(readFileSync(metadata, 'utf8'))['image.name']).toBe(names.join(','));
      for (const name of names) {
        const args = ['inspect', '--tls-verify=false', '--format', '{{.Digest}}'];
        const { stdout: digest } = await execa('skopeo', [...args, `docker://${name}`]);
        expect(digest).toBe(JSON.parse(readFileSync(metadata, 'utf8'))['containerimage.digest']);
      }
    } finally {
      await registry.stop();
    }
  });

  test('type=cacheonly writes nothing and gives no names', async () => {
    const { wiac, build } = machine();
    await build(root(), '-o', 'type=cacheonly');
    expect((await wiac(['images', '-aq'])).stdout).toBe('');
  });
});
