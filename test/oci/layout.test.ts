import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { ImageError } from '../../src/oci/image-error.js';
import { layoutSink, layoutSource } from '../../src/oci/layout.js';
import { OCI_MANIFEST } from '../../src/oci/media-types.js';
import { parsePlatform } from '../../src/oci/platform.js';
import type { Descriptor } from '../../src/oci/resolved-image.js';
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
} from './helpers.js';

const root = temporaryDirectory();
let count = 0;

function freshDirectory(): string {
  count += 1;
  return join(root, `layout-${count}`);
}

async function writtenLayout(image: TestImage, tag?: string): Promise<string> {
  const directory = freshDirectory();
  const named = tag === undefined ? {} : { tag };
  await putImage(layoutSink({ kind: 'oci-layout', directory, ...named }), image);
  return directory;
}

function source(directory: string, tag?: string) {
  return layoutSource({ kind: 'oci-layout', directory, ...(tag === undefined ? {} : { tag }) });
}

function blobFile(directory: string, descriptor: Descriptor): string {
  return join(directory, 'blobs', descriptor.digest.replace(':', '/'));
}

describe('OCI layout', () => {
  test('gives back what was put', async () => {
    const image = await makeImage();
    const directory = await writtenLayout(image, 'v1');
    const found = await source(directory, 'v1').resolve(AMD64);
    expect(found.manifestDescriptor.digest).toBe(image.manifest.descriptor.digest);
    expect(found.rootDescriptor.digest).toBe(image.manifest.descriptor.digest);
    expect(found.config).toEqual(image.config);
    expect(found.layers.map((layer) => layer.diffId)).toEqual(image.config.rootfs.diff_ids);
    expect(await readLayers(found)).toEqual(layerDigests(image));
  });

  // A cache may lie where others can write: root's files, and disks, are not what such a link can have written to.
  describe('whatever somebody has put in the place of its files', () => {
    const victim = () => join(freshDirectory(), 'victim');
    test.each([
      ['a link to a file', (path: string, to: string) => symlinkSync(to, path)],
      ['a link to nothing', (path: string, to: string) => symlinkSync(`${to}-none`, path)],
      ['a pipe', (path: string) => execFileSync('mkfifo', [path])],
    ])('%s: it is replaced, and nothing is written where it leads', async (_, put) => {
      const image = await makeImage();
      const [made, to] = [await writtenLayout(image, 'v1'), victim()];
      const directory = freshDirectory();
      mkdirSync(join(directory, 'blobs/sha256'), { recursive: true });
      mkdirSync(dirname(to));
      writeFileSync(to, 'kept');
      const names = readdirSync(join(made, 'blobs/sha256')).map((name) => `blobs/sha256/${name}`);
      for (const name of names) put(join(directory, name), to);
      symlinkSync(`${to}-index`, join(directory, 'index.json'));
      await putImage(layoutSink({ kind: 'oci-layout', directory, tag: 'v1' }), image);
      expect(readFileSync(to, 'utf8')).toBe('kept');
      expect(readdirSync(dirname(to))).toEqual(['victim']);
      for (const name of [...names, 'index.json'])
        expect([name, lstatSync(join(directory, name)).isFile()]).toEqual([name, true]);
      const found = await source(directory, 'v1').resolve(AMD64);
      expect(await readLayers(found)).toEqual(layerDigests(image));
    });
  });

  test('a link in the place of a blob to a file of its size: it is replaced, and the times of that file stay', async () => {
    const image = await makeImage();
    const [made, directory] = [await writtenLayout(image, 'v1'), freshDirectory()];
    const blobs = join(directory, 'blobs/sha256');
    mkdirSync(blobs, { recursive: true });
    const outside = freshDirectory();
    mkdirSync(outside);
    const names = readdirSync(join(made, 'blobs/sha256'));
    for (const name of names) {
      const { size } = lstatSync(join(made, 'blobs/sha256', name));
      writeFileSync(join(outside, name), Buffer.alloc(size));
      utimesSync(join(outside, name), 1, 1);
      symlinkSync(join(outside, name), join(blobs, name));
    }
    await putImage(layoutSink({ kind: 'oci-layout', directory, tag: 'v1' }), image);
    expect(names.map((name) => lstatSync(join(outside, name)).mtimeMs)).toEqual(
      names.map(() => 1000),
    );
    expect(await readLayers(await source(directory, 'v1').resolve(AMD64))).toEqual(
      layerDigests(image),
    );
  });

  test('one that can not be written to is told as such, also when it is closed after that', async () => {
    const sink = layoutSink({ kind: 'oci-layout', directory: '/proc/sys' });
    const written = putImage(sink, await makeImage());
    await expect(written).rejects.toThrow('cannot write oci-layout:///proc/sys');
    expect(await sink.close()).toBeUndefined();
  });

  test('a damaged index.json: what to do', async () => {
    const image = await makeImage();
    const directory = await writtenLayout(image, 'v1');
    const again = () => putImage(layoutSink({ kind: 'oci-layout', directory, tag: 'v1' }), image);
    writeFileSync(join(directory, 'index.json'), '');
    await expect(again()).rejects.toMatchObject({ hint: expect.stringContaining('remove its') });
    for (const name of ['index.json', 'oci-layout']) rmSync(join(directory, name));
    await again();
    expect((await source(directory, 'v1').resolve(AMD64)).config).toEqual(image.config);
  });

  test('is written to while another process begins it', async () => {
    const image = await makeImage();
    const directory = await writtenLayout(image, 'v1');
    // The other one is about to write it.
    rmSync(join(directory, 'index.json'));
    await putImage(layoutSink({ kind: 'oci-layout', directory, tag: 'v2' }), image);
    expect(await readLayers(await source(directory, 'v2').resolve(AMD64))).toEqual(
      layerDigests(image),
    );
  });

  test('skopeo reads it', async () => {
    const image = await makeImage();
    const directory = await writtenLayout(image, 'v1');
    await skopeo('copy', `oci:${directory}:v1`, `dir:${freshDirectory()}`);
    const inspected = JSON.parse(await skopeo('inspect', '--raw', `oci:${directory}:v1`));
    expect(inspected).toEqual(JSON.parse(image.manifest.bytes.toString()));
  });

  test('reads what skopeo wrote', async () => {
    const image = await makeImage();
    const directory = await writtenLayout(image, 'v1');
    const copy = freshDirectory();
    await skopeo('copy', `oci:${directory}:v1`, `oci:${copy}:docker.io/library/x:1`);
    const found = await source(copy, 'docker.io/library/x:1').resolve(AMD64);
    expect(found.manifest.mediaType).toBe(OCI_MANIFEST);
    expect(await readLayers(found)).toEqual(layerDigests(image));
  });

  test('chooses by platform', async () => {
    const directory = freshDirectory();
    const arm = parsePlatform('linux/arm/v7');
    const images = [await makeImage(), await makeImage({ platform: arm })];
    const index = await putIndex(layoutSink({ kind: 'oci-layout', directory, tag: 'm' }), images);
    const found = await source(directory).resolve(arm);
    expect(found.manifestDescriptor.digest).toBe(images[1]?.manifest.descriptor.digest);
    expect(found.rootDescriptor.digest).toBe(index.digest);
    await expect(source(directory).resolve(parsePlatform('s390x'))).rejects.toThrow(
      'no image for linux/s390x, only for linux/amd64, linux/arm/v7',
    );
    const byDigest = layoutSource({
      kind: 'oci-layout',
      directory,
      digest: found.manifestDescriptor.digest,
    });
    expect((await byDigest.resolve(AMD64)).config.architecture).toBe('arm');
  });

  test('a name moves, other names stay', async () => {
    const [first, second] = [await makeImage(), await makeImage()];
    const directory = await writtenLayout(first, 'a');
    await putImage(layoutSink({ kind: 'oci-layout', directory, tag: 'b' }), first);
    await putImage(layoutSink({ kind: 'oci-layout', directory, tag: 'a' }), second);
    const digests = async (tag: string) =>
      (await source(directory, tag).resolve(AMD64)).manifestDescriptor.digest;
    expect(await digests('a')).toBe(second.manifest.descriptor.digest);
    expect(await digests('b')).toBe(first.manifest.descriptor.digest);
    await expect(source(directory).resolve(AMD64)).rejects.toThrow('which image? it has b, a');
    await expect(source(directory, 'c').resolve(AMD64)).rejects.toThrow('no image c: it has b, a');
  });

  test('damage is found while reading', async () => {
    const image = await makeImage();
    const directory = await writtenLayout(image);
    const [, layer] = image.layers;
    if (layer === undefined) throw new Error('no layer');
    const file = blobFile(directory, layer.descriptor);
    const bytes = Buffer.from(layer.bytes);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    const found = await source(directory).resolve(AMD64);
    await expect(readLayers(found)).rejects.toThrow(/is damaged: its digest is sha256:/);
    writeFileSync(file, layer.bytes.subarray(1));
    await expect(readLayers(found)).rejects.toThrow(/is damaged: its size is/);
    writeFileSync(file, Buffer.concat([layer.bytes, Buffer.from('more')]));
    await expect(readLayers(found)).rejects.toThrow(/is damaged: its size is/);
    rmSync(file);
    await expect(readLayers(found)).rejects.toThrow('lacks the blob');
  });

  test('a blob of another size that is there is written anew', async () => {
    const image = await makeImage();
    const directory = await writtenLayout(image);
    const [layer] = image.layers;
    if (layer === undefined) throw new Error('no layer');
    const { descriptor, bytes } = layer;
    writeFileSync(blobFile(directory, descriptor), bytes.subarray(1));
    const sink = layoutSink({ kind: 'oci-layout', directory });
    expect(await sink.hasBlob(descriptor.digest, descriptor.size)).toBe(false);
    await sink.putBlob(descriptor, () => Readable.from([bytes]));
    expect(readFileSync(blobFile(directory, descriptor))).toEqual(bytes);
    expect(await sink.hasBlob(descriptor.digest, descriptor.size)).toBe(true);
    await sink.close();
  });

  test('a wrong blob is refused and leaves nothing', async () => {
    const directory = freshDirectory();
    const sink = layoutSink({ kind: 'oci-layout', directory });
    const descriptor = { mediaType: 'x', digest: NOWHERE, size: 3 };
    const put = sink.putBlob(descriptor, () => Readable.from([Buffer.from('abc')]));
    await expect(put).rejects.toThrow(ImageError);
    expect(await sink.hasBlob(NOWHERE)).toBe(false);
    expect(readdirSync(join(directory, 'blobs/sha256'))).toEqual([]);
  });

  test('an input that breaks leaves nothing', async () => {
    const directory = freshDirectory();
    const sink = layoutSink({ kind: 'oci-layout', directory });
    const broken = async function* () {
      yield Buffer.from('a');
      throw new Error('the disk is on fire');
    };
    const put = sink.putBlob({ mediaType: 'x', digest: NOWHERE, size: 3 }, () =>
      Readable.from(broken(), { objectMode: false }),
    );
    await expect(put).rejects.toThrow('the disk is on fire');
    expect(readdirSync(join(directory, 'blobs/sha256'))).toEqual([]);
    expect(existsSync(join(directory, 'index.json'))).toBe(false);
  });

  test('what is no layout is refused', async () => {
    await expect(source(root).resolve(AMD64)).rejects.toThrow('it has no oci-layout');
    const directory = await writtenLayout(await makeImage());
    writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"2.0.0"}');
    await expect(source(directory).resolve(AMD64)).rejects.toThrow('unknown version: 2.0.0');
  });

  test('the index names platform and tag', async () => {
    const directory = await writtenLayout(await makeImage(), 'v1');
    const index = JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8'));
    expect(index.manifests).toEqual([
      expect.objectContaining({
        platform: AMD64,
        annotations: { 'org.opencontainers.image.ref.name': 'v1' },
      }),
    ]);
  });
});
