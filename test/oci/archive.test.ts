import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { getDigest } from '../../src/oci/blob-digest.js';
import { dockerArchiveSink, dockerArchiveSource } from '../../src/oci/docker-archive.js';
import { OCI_INDEX, OCI_LAYER, OCI_MANIFEST } from '../../src/oci/media-types.js';
import { ociArchiveSink, ociArchiveSource } from '../../src/oci/oci-archive.js';
import { parsePlatform } from '../../src/oci/platform.js';
import { type DockerArchiveReference, parseReference } from '../../src/oci/reference.js';
import type { Descriptor, ImageSink } from '../../src/oci/resolved-image.js';
import {
  AMD64,
  getTar,
  layerDigests,
  makeImage,
  putImage,
  putIndex,
  readLayers,
  skopeo,
  type TestBlob,
  type TestImage,
  temporaryDirectory,
} from './helpers.js';

const root = temporaryDirectory();
let count = 0;

function freshFile(): string {
  count += 1;
  return join(root, `archive-${count}.tar`);
}

function dockerArchive(text: string): DockerArchiveReference {
  const reference = parseReference(`docker-archive:${text}`);
  if (reference.kind !== 'docker-archive') throw new Error('no docker-archive');
  return reference;
}

/** The image with its only layer's blob replaced: the media type stays, unless another one is given. */
function withLayer(image: TestImage, bytes: Buffer, mediaType?: string): TestImage {
  const [layer] = image.layers;
  const descriptor = {
    ...layer?.descriptor,
    ...(mediaType === undefined ? {} : { mediaType }),
    digest: getDigest(bytes),
    size: bytes.length,
  } as Descriptor;
  const manifest = JSON.parse(image.manifest.bytes.toString());
  const manifestBytes = Buffer.from(JSON.stringify({ ...manifest, layers: [descriptor] }));
  return {
    ...image,
    blobs: [...image.blobs.slice(0, 1), { descriptor, bytes }],
    manifest: { ...image.manifest, bytes: manifestBytes },
  };
}

async function write(sink: ImageSink, put: (sink: ImageSink) => Promise<unknown>): Promise<void> {
  try {
    await put(sink);
  } finally {
    await sink.close();
  }
}

describe('oci-archive', () => {
  test('gives back what was put, leaves nothing beside it', async () => {
    const image = await makeImage();
    const file = freshFile();
    await write(ociArchiveSink({ kind: 'oci-archive', file, tag: 'v1' }), (sink) =>
      putImage(sink, image),
    );
    const source = ociArchiveSource({ kind: 'oci-archive', file, tag: 'v1' });
    const found = await source.resolve(AMD64);
    expect(found.config).toEqual(image.config);
    expect(await readLayers(found)).toEqual(layerDigests(image));
    await source.close();
    expect(readdirSync(root).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(readdirSync(root)).toContain(basename(file));
  });

  test('is the same for the same image', async () => {
    const images = [await makeImage(), await makeImage({ platform: parsePlatform('arm64') })];
    const files = [freshFile(), freshFile()];
    for (const file of files)
      await write(ociArchiveSink({ kind: 'oci-archive', file }), (sink) => putIndex(sink, images));
    const [first, second] = files.map((file) => readFileSync(file));
    expect(second).toBeDefined();
    const { stdout } = await execa('tar', ['--utc', '--full-time', '-tvf', files[0] ?? '']);
    for (const line of stdout.split('\n'))
      expect(line).toMatch(/^-rw-r--r-- 0\/0 +\d+ 1970-01-01 00:00:00 /);
    expect(first?.equals(second ?? Buffer.alloc(0))).toBe(true);
  });

  test('skopeo reads it, wiac reads what skopeo wrote', async () => {
    const image = await makeImage();
    const [file, copy] = [freshFile(), freshFile()];
    await write(ociArchiveSink({ kind: 'oci-archive', file, tag: 'v1' }), (sink) =>
      putImage(sink, image),
    );
    await skopeo('copy', `oci-archive:${file}:v1`, `oci-archive:${copy}:v2`);
    const source = ociArchiveSource({ kind: 'oci-archive', file: copy, tag: 'v2' });
    const found = await source.resolve(AMD64);
    expect(await readLayers(found)).toEqual(layerDigests(image));
    await source.close();
  });

  test('may be compressed as a whole', async () => {
    const image = await makeImage();
    for (const program of ['gzip', 'zstd', 'bzip2', 'xz']) {
      const file = freshFile();
      await write(ociArchiveSink({ kind: 'oci-archive', file }), (sink) => putImage(sink, image));
      writeFileSync(file, execFileSync(program, ['-c'], { input: readFileSync(file) }));
      const source = ociArchiveSource({ kind: 'oci-archive', file });
      expect(await readLayers(await source.resolve(AMD64))).toEqual(layerDigests(image));
      await source.close();
    }
  });

  test('what cannot be read or is cut off is refused', async () => {
    const file = freshFile();
    const resolve = () => ociArchiveSource({ kind: 'oci-archive', file }).resolve(AMD64);
    await expect(resolve()).rejects.toThrow(/cannot read the archive .*: there is no such file$/);
    writeFileSync(file, 'this is no tar archive, whatever its name says');
    await expect(resolve()).rejects.toThrow('cannot read the archive');
    await write(ociArchiveSink({ kind: 'oci-archive', file }), async (sink) =>
      putImage(sink, await makeImage()),
    );
    writeFileSync(file, readFileSync(file).subarray(0, 1500));
    await expect(resolve()).rejects.toThrow('cannot read the archive');
  });

  test('an image that is never completed leaves no file', async () => {
    const file = freshFile();
    const image = await makeImage();
    await write(ociArchiveSink({ kind: 'oci-archive', file }), (sink) =>
      putImage(sink, image, 'child'),
    );
    expect(existsSync(file)).toBe(false);
    expect(readdirSync(root).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});

describe('docker-archive', () => {
  test('gives back the layers, uncompressed', async () => {
    const image = await makeImage({ docker: true });
    const file = freshFile();
    await write(dockerArchiveSink(dockerArchive(`${file}:me/app:1`)), (sink) =>
      putImage(sink, image),
    );
    const source = dockerArchiveSource(dockerArchive(`${file}:docker.io/me/app:1`));
    const found = await source.resolve(AMD64);
    expect(found.config).toEqual(image.config);
    expect(found.layers.map((layer) => layer.descriptor.digest)).toEqual(
      image.config.rootfs.diff_ids,
    );
    expect(await readLayers(found)).toEqual(image.config.rootfs.diff_ids);
    await source.close();
  });

  test('skopeo reads it, wiac reads what skopeo wrote', async () => {
    const image = await makeImage();
    const [file, copy] = [freshFile(), freshFile()];
    await write(dockerArchiveSink(dockerArchive(`${file}:app:1`)), (sink) => putImage(sink, image));
    await skopeo('copy', `docker-archive:${file}:app:1`, `docker-archive:${copy}:app:2`);
    const source = dockerArchiveSource(dockerArchive(`${copy}:app:2`));
    const found = await source.resolve(AMD64);
    expect(found.layers.map((layer) => layer.diffId)).toEqual(image.config.rootfs.diff_ids);
    await readLayers(found);
    await source.close();
    const wrong = dockerArchiveSource(dockerArchive(`${copy}:other`)).resolve(AMD64);
    await expect(wrong).rejects.toThrow(
      'no image docker.io/library/other:latest: it has docker.io/library/app:2',
    );
  });

  test('reads old archives: links between layers, compressed layers', async () => {
    const layer = await getTar({ a: 'a' });
    const image = await makeImage({ layers: [layer, layer, layer, layer] });
    const config = image.blobs[0]?.bytes ?? Buffer.alloc(0);
    const directory = mkdtempSync(join(root, 'tree-'));
    const manifest = [
      {
        Config: 'c.json',
        RepoTags: null,
        Layers: ['1/layer.tar', '2/layer.tar', '3/layer.tar', '4/zstd'],
      },
    ];
    await execa('mkdir', ['1', '2', '3', '4'], { cwd: directory });
    writeFileSync(join(directory, 'c.json'), config);
    writeFileSync(join(directory, 'manifest.json'), JSON.stringify(manifest));
    writeFileSync(join(directory, '1/layer.tar'), layer);
    await execa('ln', ['-s', '../1/layer.tar', '2/layer.tar'], { cwd: directory });
    writeFileSync(join(directory, '3/layer.tar'), gzipSync(layer));
    const packed = execFileSync('zstd', ['-c'], { input: layer });
    writeFileSync(join(directory, '4/zstd'), packed);
    const file = freshFile();
    await execa('tar', ['-cf', file, '.'], { cwd: directory });
    const source = dockerArchiveSource(dockerArchive(file));
    const [first, second, third, fourth] = await readLayers(await source.resolve(AMD64));
    expect(first).toBe(getDigest(layer));
    expect(second).toBe(getDigest(layer));
    expect(third).toBe(getDigest(gzipSync(layer)));
    expect(fourth).toBe(getDigest(packed));
    await source.close();
  });

  test('a device or a pipe is no archive', async () => {
    const pipe = freshFile();
    await execa('mkfifo', [pipe]);
    for (const file of ['/dev/zero', pipe])
      await expect(dockerArchiveSource(dockerArchive(file)).resolve(AMD64)).rejects.toThrow(
        'it is no file',
      );
  });

  test('a link out of the archive leads nowhere', async () => {
    const directory = mkdtempSync(join(root, 'tree-'));
    await execa('ln', ['-s', '/etc/hostname', 'manifest.json'], { cwd: directory });
    const file = freshFile();
    await execa('tar', ['-cf', file, 'manifest.json'], { cwd: directory });
    const source = dockerArchiveSource(dockerArchive(file));
    await expect(source.resolve(AMD64)).rejects.toThrow('it has no manifest.json');
  });

  test('a layer that is not that of the config is found', async () => {
    const image = await makeImage({ layers: [await getTar({ a: 'a' })] });
    const file = freshFile();
    const other = await getTar({ a: 'b' });
    writeFileSync(
      file,
      await getTar({
        'c.json': image.blobs[0]?.bytes ?? '',
        'l.tar': other,
        'manifest.json': JSON.stringify([{ Config: 'c.json', Layers: ['l.tar'] }]),
      }),
    );
    const found = await dockerArchiveSource(dockerArchive(file)).resolve(AMD64);
    await expect(readLayers(found)).rejects.toThrow('is damaged');
  });

  test('refuses indexes', async () => {
    const sink = dockerArchiveSink(dockerArchive(freshFile()));
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [] }));
    await expect(sink.putManifest(index, OCI_INDEX, 'root')).rejects.toThrow('holds one image');
    await sink.close();
  });

  test('unpacks layers by their bytes: zstd, and what has the media type of another', async () => {
    const layer = await getTar({ a: 'a' });
    const image = await makeImage({ layers: [layer] });
    for (const bytes of [execFileSync('zstd', ['-c'], { input: layer }), layer]) {
      const file = freshFile();
      await write(dockerArchiveSink(dockerArchive(file)), (sink) =>
        putImage(sink, withLayer(image, bytes)),
      );
      const source = dockerArchiveSource(dockerArchive(file));
      expect(await readLayers(await source.resolve(AMD64))).toEqual([getDigest(layer)]);
      await source.close();
    }
  });

  describe('a layer without compression', () => {
    const plainImage = async () => {
      const layer = await getTar({ a: 'a' });
      return { layer, image: await makeImage({ layers: [layer] }) };
    };

    test('is read once, and not put aside, where it would take its size once more', async () => {
      const { layer, image } = await plainImage();
      const file = freshFile();
      const plain = withLayer(image, layer, OCI_LAYER);
      const [config, blob] = plain.blobs as [TestBlob, TestBlob];
      let opened = 0;
      const open = () => {
        opened += 1;
        return Readable.from([blob.bytes]);
      };
      await write(dockerArchiveSink(dockerArchive(file)), async (sink) => {
        await sink.putBlob(blob.descriptor, open);
        expect(readdirSync(root).filter((name) => name.startsWith('.'))).toEqual([]);
        await sink.putBlob(config.descriptor, () => Readable.from([config.bytes]));
        await sink.putManifest(plain.manifest.bytes, OCI_MANIFEST, 'root');
      });
      // Whoever counts the bytes of a blob would take another reading for one that failed.
      expect(opened).toBe(1);
      const source = dockerArchiveSource(dockerArchive(file));
      expect(await readLayers(await source.resolve(AMD64))).toEqual([getDigest(layer)]);
      await source.close();
    });

    test('is unpacked when only its media type says so', async () => {
      const { layer, image } = await plainImage();
      const file = freshFile();
      await write(dockerArchiveSink(dockerArchive(file)), (sink) =>
        putImage(sink, withLayer(image, gzipSync(layer), OCI_LAYER)),
      );
      const source = dockerArchiveSource(dockerArchive(file));
      expect(await readLayers(await source.resolve(AMD64))).toEqual([getDigest(layer)]);
      await source.close();
    });

    test('that is damaged leaves no archive', async () => {
      const { layer, image } = await plainImage();
      const file = freshFile();
      const plain = withLayer(image, layer, OCI_LAYER);
      const damaged = plain.blobs.map(({ descriptor, bytes }, at) => ({
        descriptor,
        bytes: at === 0 ? bytes : Buffer.alloc(bytes.length),
      }));
      const writing = write(dockerArchiveSink(dockerArchive(file)), (sink) =>
        putImage(sink, { ...plain, blobs: damaged }),
      );
      await expect(writing).rejects.toThrow('is damaged');
      expect(existsSync(file)).toBe(false);
    });
  });
});
