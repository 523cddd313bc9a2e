import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll } from '@jest/globals';
import { execa } from 'execa';
import { pack } from 'tar-stream';
import { getDigest } from '../../src/oci/blob-digest.js';
import {
  DOCKER_CONFIG,
  DOCKER_LAYER_GZIP,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER_GZIP,
  OCI_MANIFEST,
} from '../../src/oci/media-types.js';
import { collect } from '../../src/oci/resolve.js';
import type {
  Descriptor,
  Digest,
  ImageConfig,
  ImageManifest,
  ImageSink,
  Platform,
  ResolvedImage,
} from '../../src/oci/resolved-image.js';

export const AMD64: Platform = { os: 'linux', architecture: 'amd64' };

/** A directory that is removed when the tests of the file are done. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'wiac-test-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Runs skopeo without any setting or credential of this machine. */
export async function skopeo(...args: string[]): Promise<string> {
  const policy = args[0] === 'copy' ? ['--insecure-policy'] : [];
  const { stdout } = await execa('skopeo', [...policy, ...args], {
    env: { REGISTRY_AUTH_FILE: '/nonexistent/auth.json', HOME: '/nonexistent' },
  });
  return stdout;
}

export interface TestBlob {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

export interface TestImage {
  readonly config: ImageConfig;
  readonly blobs: readonly TestBlob[];
  readonly layers: readonly TestBlob[];
  readonly manifest: TestBlob;
}

function blob(mediaType: string, bytes: Buffer): TestBlob {
  return { descriptor: { mediaType, digest: getDigest(bytes), size: bytes.length }, bytes };
}

/** A tar archive of files. */
export async function getTar(files: Readonly<Record<string, string | Buffer>>): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of Object.entries(files))
    archive.entry({ name, mtime: new Date(0) }, content);
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** An image of two layers, the second of `size` random bytes, with all that belongs to it. */
export async function makeImage(
  options: { size?: number; platform?: Platform; docker?: boolean; layers?: Buffer[] } = {},
): Promise<TestImage> {
  const { size = 1000, platform = AMD64, docker = false } = options;
  const tars = options.layers ?? [
    await getTar({ 'etc/hello': `hello from ${platform.architecture}\n` }),
    await getTar({ 'data/random': randomBytes(size) }),
  ];
  const layers = tars.map((tar) =>
    blob(docker ? DOCKER_LAYER_GZIP : OCI_LAYER_GZIP, gzipSync(tar, { level: 1 })),
  );
  const config: ImageConfig = {
    ...platform,
    created: '2024-01-02T03:04:05Z',
    config: { Env: ['A=b'], Cmd: ['/bin/true'], WorkingDir: '/' },
    rootfs: { type: 'layers', diff_ids: tars.map((tar) => getDigest(tar)) },
    history: tars.map((_, at) => ({ created_by: `layer ${at}` })),
  };
  const configBlob = blob(docker ? DOCKER_CONFIG : OCI_CONFIG, Buffer.from(JSON.stringify(config)));
  const mediaType = docker ? DOCKER_MANIFEST : OCI_MANIFEST;
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType,
    config: configBlob.descriptor,
    layers: layers.map((layer) => layer.descriptor),
  };
  return {
    config,
    layers,
    blobs: [configBlob, ...layers],
    manifest: blob(mediaType, Buffer.from(JSON.stringify(manifest))),
  };
}

/** Puts a whole image. */
export async function putImage(
  sink: ImageSink,
  image: TestImage,
  role: 'root' | 'child' = 'root',
): Promise<Descriptor> {
  await Promise.all(
    image.blobs.map(({ descriptor, bytes }) =>
      sink.putBlob(descriptor, () => Readable.from([bytes])),
    ),
  );
  const { descriptor, bytes } = image.manifest;
  return sink.putManifest(bytes, descriptor.mediaType, role);
}

/** Puts images of several platforms and their index. */
export async function putIndex(sink: ImageSink, images: readonly TestImage[]): Promise<Descriptor> {
  const manifests: Descriptor[] = [];
  for (const image of images) {
    const { os, architecture, variant } = image.config;
    const platform = { os, architecture, ...(variant === undefined ? {} : { variant }) };
    manifests.push({ ...(await putImage(sink, image, 'child')), platform });
  }
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
  return sink.putManifest(Buffer.from(JSON.stringify(index)), OCI_INDEX, 'root');
}

/** Reads all layers of an image, as digests of what was really read (large buffers compare slowly). */
export async function readLayers(image: ResolvedImage): Promise<Digest[]> {
  return Promise.all(
    image.layers.map(async (layer) =>
      getDigest(await collect(await layer.open(), 1 << 30, 'layer')),
    ),
  );
}

/** What readLayers gives for an undamaged image. */
export function layerDigests(image: TestImage): Digest[] {
  return image.layers.map((layer) => getDigest(layer.bytes));
}

/** A digest that no blob has. */
export const NOWHERE = `sha256:${'0'.repeat(64)}` as Digest;
