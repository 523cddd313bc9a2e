/** Images that are pulled and pushed on: nothing of them changes. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { Registry } from '../support/registry.js';
import { buildahImage, startRegistry } from '../support/registry.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, tempDir } from '../support/wiac.js';

const machine = warmMachines();

let registry: Registry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.stop());

const TLS = ['--src-tls-verify=false', '--dest-tls-verify=false'];

/** Manifest, or index, as the bytes that the registry has. */
async function raw(reference: string): Promise<string> {
  const flags = ['inspect', '--raw', '--tls-verify=false'];
  return (await execa('skopeo', [...flags, `docker://${reference}`])).stdout;
}

async function getConfig(reference: string) {
  const flags = ['inspect', '--config', '--raw', '--tls-verify=false'];
  return (await execa('skopeo', [...flags, `docker://${reference}`])).stdout;
}

/** An image with all that wiac's own records have no place for. */
async function foreignImage(format: 'oci' | 'v2s2', name: string): Promise<string> {
  const { storage } = await buildahImage(['MAINTAINER somebody@example.org', 'RUN echo 1 > /one']);
  const reference = `${registry.host}/${name}:1`;
  const note = format === 'oci' ? ['--annotation', 'org.example.note=kept'] : [];
  const from = (await execa('buildah', [...storage, 'from', 'base'])).stdout;
  await execa('buildah', [...storage, 'config', '--author', 'somebody', ...note, from]);
  const commit = ['commit', '-q', '--format', format === 'oci' ? 'oci' : 'docker'];
  const target = [`docker://${reference}`];
  await execa('buildah', [...storage, ...commit, '--tls-verify=false', from, ...target]);
  return reference;
}

test.each(['oci', 'v2s2'] as const)(
  '%s: manifest and config are the same bytes',
  async (format) => {
    const base = await foreignImage(format, `foreign-${format}`);
    const { wiac } = machine();
    await wiac(['pull', base, '-t', 'mine']);
    const on = `${registry.host}/on-${format}:2`;
    // A time for builds says nothing of an image that is there already.
    const pushed = await wiac(['push', 'mine', on], { env: { SOURCE_DATE_EPOCH: '1' } });
    expect(pushed).toMatchObject({ exitCode: 0 });
    expect(await raw(on)).toBe(await raw(base));
    expect(await getConfig(on)).toBe(await getConfig(base));
    expect(await getConfig(on)).toContain('somebody');
    const { stdout } = await execa('skopeo', ['inspect', '--tls-verify=false', `docker://${base}`]);
    expect(pushed.stdout.trim()).toBe(JSON.parse(stdout).Digest);
  },
);

test('what is asked for otherwise is made', async () => {
  const reference = await foreignImage('oci', 'otherwise');
  const { wiac } = machine();
  await wiac(['pull', reference, '-t', 'mine']);
  const docker = `${registry.host}/docker:1`;
  expect((await wiac(['push', '--docker', 'mine', docker])).exitCode).toBe(0);
  expect(JSON.parse(await raw(docker)).mediaType).toContain('vnd.docker');
  const zstd = `${registry.host}/zstd:1`;
  const flags = ['--compression', 'zstd', '--force-compression'];
  expect((await wiac(['push', ...flags, 'mine', zstd])).exitCode).toBe(0);
  expect(JSON.parse(await raw(zstd)).layers[0].mediaType).toContain('zstd');
});

test('an image that stands on a pulled one is a new image', async () => {
  const reference = await foreignImage('oci', 'below');
  const { wiac } = machine();
  const directory = context({ Dockerfile: `FROM ${reference}\nLABEL a=b\n` });
  const target = `${registry.host}/above:1`;
  expect((await wiac(['build', '-q', '-t', target, '--push', directory])).exitCode).toBe(0);
  expect(JSON.parse(await getConfig(target)).config.Labels).toMatchObject({ a: 'b' });
});

test('from layout to layout, and from there into a registry', async () => {
  const reference = await foreignImage('oci', 'layouts');
  const layout = join(tempDir(), 'layout');
  await execa('skopeo', ['copy', '-q', ...TLS, `docker://${reference}`, `oci:${layout}:x`]);
  const { wiac } = machine();
  await wiac(['pull', `oci-layout://${layout}:x`, '-t', 'mine']);
  const archive = join(tempDir(), 'archive');
  await wiac(['push', 'mine', `oci-archive:${archive}`]);
  const target = `${registry.host}/again:1`;
  await execa('skopeo', ['copy', '-q', ...TLS, `oci-archive:${archive}`, `docker://${target}`]);
  expect(await raw(target)).toBe(await raw(reference));
});

test('a layer whose blob is gone is compressed anew, and the image with it', async () => {
  const { root, wiac } = machine();
  const directory = context({ Dockerfile: dockerfile('RUN echo hello > /file') });
  const reference = `${registry.host}/blobless:1`;
  await machine().wiac(['build', '-q', '-t', reference, '--push', directory]);
  await wiac(['pull', reference, '-t', 'mine']);
  await execa('sh', ['-c', `rm ${root}/blobs/sha256/*`]);
  const target = `${registry.host}/blobless:2`;
  expect((await wiac(['push', 'mine', target])).exitCode).toBe(0);
  expect((await machine().wiac(['pull', target])).exitCode).toBe(0);
});
