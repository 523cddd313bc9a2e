import { createReadStream, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { ImageError } from '../../../src/oci/image-error.js';
import { layoutSink, layoutSource } from '../../../src/oci/layout.js';
import { parsePlatform } from '../../../src/oci/platform.js';
import { parseRegistryReference } from '../../../src/oci/reference.js';
import {
  type RegistrySinkOptions,
  type RegistrySource,
  registrySink,
  registrySource,
} from '../../../src/oci/registry/registry.js';
import type { Digest, ImageSink, ResolvedImage } from '../../../src/oci/resolved-image.js';
import {
  AMD64,
  layerDigests,
  makeImage,
  NOWHERE,
  putImage,
  putIndex,
  readLayers,
  skopeo,
  type TestImage,
  temporaryDirectory,
} from '../helpers.js';
import { options, startFaulty, startRegistry, type TestRegistry } from './helpers.js';

const root = temporaryDirectory();

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const item of opened.splice(0)) await item.close();
});

function getSink(name: string, settings: RegistrySinkOptions = options()): ImageSink {
  const sink = registrySink(parseRegistryReference(name), settings);
  opened.push(sink);
  return sink;
}

function getSource(name: string, env: NodeJS.ProcessEnv = {}): RegistrySource {
  const source = registrySource(parseRegistryReference(name), options(env));
  opened.push(source);
  return source;
}

async function push(name: string, image: TestImage, env: NodeJS.ProcessEnv = {}): Promise<void> {
  await putImage(getSink(name, options(env)), image);
}

async function pull(
  name: string,
  env: NodeJS.ProcessEnv = {},
  platform = AMD64,
): Promise<ResolvedImage & { readonly content: Digest[] }> {
  const image = await getSource(name, env).resolve(platform);
  return { ...image, content: await readLayers(image) };
}

describe('an anonymous registry', () => {
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startRegistry();
  });
  afterAll(() => registry.stop());

  test.each([[false], [true]])(
    'gives back what was pushed (Docker media types: %s)',
    async (docker) => {
      const image = await makeImage({ docker, size: 300_000 });
      const name = `${registry.host}/round/trip:docker-${docker}`;
      await push(name, image);
      const found = await pull(name);
      expect(found.manifestDescriptor).toEqual(image.manifest.descriptor);
      expect(found.config).toEqual(image.config);
      expect(found.content).toEqual(layerDigests(image));
      const byDigest = await pull(
        `${registry.host}/round/trip@${image.manifest.descriptor.digest}`,
      );
      expect(byDigest.manifestDescriptor).toEqual(image.manifest.descriptor);
    },
  );

  test('skopeo reads what wiac pushed', async () => {
    const image = await makeImage();
    await push(`${registry.host}/to/skopeo:1`, image);
    const directory = join(root, 'from-wiac');
    const from = `docker://${registry.host}/to/skopeo:1`;
    await skopeo('copy', '--src-tls-verify=false', from, `oci:${directory}:x`);
    const source = layoutSource({ kind: 'oci-layout', directory, tag: 'x' });
    expect(await readLayers(await source.resolve(AMD64))).toEqual(layerDigests(image));
  });

  test('wiac reads what skopeo pushed', async () => {
    const image = await makeImage();
    const directory = join(root, 'to-skopeo');
    await putImage(layoutSink({ kind: 'oci-layout', directory, tag: 'x' }), image);
    const to = `docker://${registry.host}/from/skopeo:1`;
    await skopeo('copy', '--dest-tls-verify=false', `oci:${directory}:x`, to);
    const found = await pull(`${registry.host}/from/skopeo:1`);
    expect(found.manifestDescriptor.digest).toBe(image.manifest.descriptor.digest);
    expect(found.content).toEqual(layerDigests(image));
  });

  test('indexes', async () => {
    const arm = parsePlatform('linux/arm64');
    const images = [await makeImage(), await makeImage({ platform: arm })];
    const index = await putIndex(getSink(`${registry.host}/multi:1`), images);
    const found = await pull(`${registry.host}/multi:1`, {}, arm);
    expect(found.rootDescriptor.digest).toBe(index.digest);
    expect(found.config.architecture).toBe('arm64');
    const raw = await skopeo(
      'inspect',
      '--raw',
      '--tls-verify=false',
      `docker://${registry.host}/multi:1`,
    );
    expect(JSON.parse(raw).manifests).toHaveLength(2);
    expect(await getSource(`${registry.host}/multi:1`).digest()).toBe(index.digest);
  });

  test('chunks', async () => {
    const image = await makeImage({ size: 1_000_000 });
    const front = await startFaulty(registry.host);
    await putImage(
      getSink(`${front.host}/chunked:1`, { ...options(), chunkBytes: 300_000 }),
      image,
    );
    await front.stop();
    expect(front.log.filter((line) => line.startsWith('PATCH'))).toHaveLength(4 + 2);
    expect((await pull(`${registry.host}/chunked:1`)).content).toEqual(layerDigests(image));
  });

  test('blobs that are there are not sent, others are mounted', async () => {
    const image = await makeImage();
    await push(`${registry.host}/mount/from:1`, image);
    const front = await startFaulty(registry.host);
    const sink = getSink(`${front.host}/mount/to:1`, {
      ...options(),
      mountFrom: () => 'mount/from',
    });
    const never = () => {
      throw new Error('read');
    };
    for (const { descriptor } of image.blobs) await sink.putBlob(descriptor, never);
    expect(front.log.filter((line) => line.startsWith('POST'))).toHaveLength(3);
    front.log.length = 0;
    for (const { descriptor } of image.blobs) await sink.putBlob(descriptor, never);
    expect(front.log.map((line) => line.split(' ')[0])).toEqual(['HEAD', 'HEAD', 'HEAD']);
    await sink.putManifest(image.manifest.bytes, image.manifest.descriptor.mediaType, 'root');
    await front.stop();
    expect((await pull(`${registry.host}/mount/to:1`)).content).toEqual(layerDigests(image));
  });

  test('a mount of what is not there becomes an upload', async () => {
    const image = await makeImage();
    const sink = getSink(`${registry.host}/mount/none:1`, {
      ...options(),
      mountFrom: () => 'mount/nowhere',
    });
    await putImage(sink, image);
    expect((await pull(`${registry.host}/mount/none:1`)).content).toEqual(layerDigests(image));
  });

  test('an empty blob', async () => {
    const sink = getSink(`${registry.host}/empty:1`);
    const digest = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
    const descriptor = { mediaType: 'x', digest: digest as typeof NOWHERE, size: 0 };
    await sink.putBlob(descriptor, () => Readable.from([]));
    expect(await sink.hasBlob(descriptor.digest)).toBe(true);
  });

  test('what is not there', async () => {
    await expect(pull(`${registry.host}/no/such:thing`)).rejects.toMatchObject({
      code: 'IMAGE',
      exitCode: 11,
      status: 404,
      registry: registry.host,
      message: expect.stringMatching(
        /^pull 127\.0\.0\.1:\d+\/no\/such:thing: registry 127\.0\.0\.1:\d+ answered 404: MANIFEST_UNKNOWN/,
      ),
      hint: expect.stringContaining('check the name'),
    });
  });

  test('content that is not that of its digest is refused by the registry', async () => {
    const sink = getSink(`${registry.host}/wrong:1`);
    const put = sink.putBlob({ mediaType: 'x', digest: NOWHERE, size: 3 }, () =>
      Readable.from([Buffer.from('abc')]),
    );
    await expect(put).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining('DIGEST_INVALID'),
    });
    expect(await sink.hasBlob(NOWHERE)).toBe(false);
  });

  test('a file to push that is not there is not the registry’s fault', async () => {
    const sink = getSink(`${registry.host}/wrong:1`);
    const put = sink.putBlob({ mediaType: 'x', digest: NOWHERE, size: 3 }, () =>
      createReadStream('/nonexistent/blob'),
    );
    await expect(put).rejects.toThrow(/^push .*: there is no such file$/);
  });
});

describe('a registry with htpasswd', () => {
  let registry: TestRegistry;
  const auths = join(root, 'auth.json');
  const helpers = join(root, 'bin');
  beforeAll(async () => {
    const { stdout } = await execa('htpasswd', ['-nbB', 'ann', 'pässword:x']);
    registry = await startRegistry({ htpasswd: `${stdout.trim()}\n` });
    const auth = Buffer.from('ann:pässword:x').toString('base64');
    writeFileSync(auths, JSON.stringify({ auths: { [registry.host]: { auth } } }));
    mkdirSync(helpers);
  });
  afterAll(() => registry.stop());

  test('with $REGISTRY_AUTH_FILE', async () => {
    const image = await makeImage();
    await push(`${registry.host}/private:1`, image, { REGISTRY_AUTH_FILE: auths });
    const found = await pull(`${registry.host}/private:1`, { REGISTRY_AUTH_FILE: auths });
    expect(found.content).toEqual(layerDigests(image));
  });

  test('with a credential helper', async () => {
    const image = await makeImage();
    await push(`${registry.host}/helped:1`, image, { REGISTRY_AUTH_FILE: auths });
    const script = `#!/bin/sh\nread -r server\n[ "$1 $server" = "get ${registry.host}" ] || exit 1\nprintf '{"ServerURL":"%s","Username":"ann","Secret":"pässword:x"}' "$server"\n`;
    writeFileSync(join(helpers, 'docker-credential-test'), script, { mode: 0o755 });
    const config = join(root, 'docker');
    mkdirSync(config);
    const content = { credHelpers: { [registry.host]: 'test' } };
    writeFileSync(join(config, 'config.json'), JSON.stringify(content));
    const env = { DOCKER_CONFIG: config, PATH: `${helpers}:${process.env.PATH}` };
    expect((await pull(`${registry.host}/helped:1`, env)).content).toEqual(layerDigests(image));
  });

  test('without credentials, or with wrong ones', async () => {
    await expect(pull(`${registry.host}/private:1`)).rejects.toMatchObject({
      message: expect.stringContaining('wants a user name and a password'),
      hint: `log in with \`wiac login ${registry.host}\``,
      status: 401,
    });
    const wrong = join(root, 'wrong.json');
    const auth = Buffer.from('ann:guess').toString('base64');
    writeFileSync(wrong, JSON.stringify({ auths: { [registry.host]: { auth } } }));
    const env = { REGISTRY_AUTH_FILE: wrong };
    await expect(pull(`${registry.host}/private:1`, env)).rejects.toThrow(
      'does not accept the user name and password',
    );
  });
});

describe('a registry with TLS', () => {
  let registry: TestRegistry;
  const certificate = join(root, 'cert.pem');
  const key = join(root, 'key.pem');
  beforeAll(async () => {
    await execa('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-keyout', key, '-out', certificate, '-days', '2', '-subj', '/CN=test'],
      ...['-addext', 'subjectAltName=IP:127.0.0.1'],
    ]);
    registry = await startRegistry({ tls: { certificate, key } });
  });
  afterAll(() => registry.stop());

  test('is trusted with WIAC_REGISTRY_CA', async () => {
    const image = await makeImage();
    const env = { WIAC_REGISTRY_CA: certificate };
    await push(`${registry.host}/tls:1`, image, env);
    expect((await pull(`${registry.host}/tls:1`, env)).content).toEqual(layerDigests(image));
  });

  test('is not trusted without, unless it is named as insecure', async () => {
    await expect(pull(`${registry.host}/tls:1`)).rejects.toThrow(ImageError);
    await expect(pull(`${registry.host}/tls:1`)).rejects.toMatchObject({
      hint: `trust its authority with WIAC_REGISTRY_CA=FILE, or any with WIAC_INSECURE_REGISTRIES=${registry.host}`,
    });
    const env = { WIAC_INSECURE_REGISTRIES: `other.example,${registry.host}` };
    const image = await makeImage();
    await push(`${registry.host}/insecure:1`, image, env);
    expect((await pull(`${registry.host}/insecure:1`, env)).content).toEqual(layerDigests(image));
  });
});
