/** Archives that become very large when they are unpacked. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { constants, deflateRawSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { decompressed } from '../../src/oci/compress/decompress.js';
import {
  DEFAULT_LIMITS,
  expansionGuard,
  RATIO_FREE_BYTES,
} from '../../src/oci/tar/expansion-limit.js';
import { openTar } from '../../src/oci/tar-index.js';
import { warmMachines } from '../support/warm-command.js';
import type { Machine } from '../support/wiac.js';
import { context, dockerfile, tempDir } from '../support/wiac.js';

const machine = warmMachines();

const BOMB_BYTES = 2200 * 2 ** 20;

/** The beginning of a gzip file with that many zeros, whose end nobody comes to. */
function gzipBomb(): Buffer {
  const zeros = Buffer.alloc(100 << 20);
  // What is flushed in full stands for itself: gzip would take ten seconds for what is here one part many times.
  const part = deflateRawSync(zeros, { finishFlush: constants.Z_FULL_FLUSH });
  const head = Buffer.from('1f8b0800000000000003', 'hex');
  return Buffer.concat([head, ...Array<Buffer>(BOMB_BYTES / zeros.length).fill(part)]);
}

async function zstdBomb(): Promise<Buffer> {
  const script = `head -c ${BOMB_BYTES} /dev/zero | zstd`;
  const { stdout } = await execa('sh', ['-c', script], { encoding: 'buffer' });
  return Buffer.from(stdout);
}

describe('the ratio', () => {
  test('counts once there are many bytes', () => {
    const guard = expansionGuard(DEFAULT_LIMITS);
    expect(() => guard(1, RATIO_FREE_BYTES)).not.toThrow();
    const next = RATIO_FREE_BYTES + DEFAULT_LIMITS.maxRatio;
    expect(() => guard(next / DEFAULT_LIMITS.maxRatio, next)).not.toThrow();
    expect(() => guard(1, next)).toThrow(/200 times as large/);
    expect(() => guard(DEFAULT_LIMITS.maxBytes, DEFAULT_LIMITS.maxBytes + 1)).toThrow(/128 GB/);
  });

  test.each([
    ['gzip', gzipBomb],
    ['zstd', zstdBomb],
  ])('a bomb made with %s ends on the way', async (_, make) => {
    const source = Readable.from([await make()], { objectMode: false });
    let bytes = 0;
    const reading = (async () => {
      for await (const chunk of decompressed(source, DEFAULT_LIMITS)) bytes += chunk.length;
    })();
    await expect(reading).rejects.toMatchObject({ code: 'IMAGE', hint: /limits\.ratio/ });
    expect(bytes).toBeLessThan(RATIO_FREE_BYTES + (1 << 20));
  });
});

/** Everything a store has of layers, their blobs, and work in progress. */
function kept({ root }: Machine): string[] {
  return ['layers', 'blobs/sha256', 'tmp', 'l'].flatMap((name) => readdirSync(join(root, name)));
}

/** An image with a layer of 64 MB of zeros, and a cache of the same. */
async function bomb(): Promise<{ image: string; cache: string }> {
  const { build } = machine();
  const [layout, cache] = [join(tempDir(), 'layout'), join(tempDir(), 'cache')];
  const root = context({ Dockerfile: dockerfile('RUN head -c 64000000 /dev/zero > /zeros') });
  const output = `--output=type=oci,dest=${layout},tar=false,name=bomb:x`;
  await build(root, output, `--cache-to=type=local,dest=${cache},mode=max`);
  return { image: `oci-layout://${layout}:x`, cache };
}

describe('the size', () => {
  test('of a pulled layer, set in the environment', async () => {
    const { image } = await bomb();
    const made = machine();
    const env = { WIAC_MAX_LAYER_BYTES: '20M' };
    const { exitCode, stderr } = await made.wiac(['pull', image], { env });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 11,
      stderr: expect.stringMatching(
        /layer sha256:\w{64}: .* larger than 20000000 bytes.*WIAC_MAX/s,
      ),
    });
    // The other layer is a good one.
    expect(kept(made).length).toBeLessThanOrEqual(3);
    expect(
      (await made.wiac(['pull', image], { env: { WIAC_MAX_LAYER_BYTES: '80M' } })).exitCode,
    ).toBe(0);
  });

  test('of a base image, set in the config file', async () => {
    const { image } = await bomb();
    const made = machine();
    const file = join(tempDir(), 'config.json');
    writeFileSync(file, '{"limits": {"layerBytes": "20M"}}');
    const root = context({ Dockerfile: `FROM ${image}\nRUN true\n` });
    const { exitCode, stderr } = await made.wiac(['build', root], { env: { WIAC_CONFIG: file } });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 11,
      stderr: expect.stringContaining('larger than 20000000 bytes'),
    });
    expect(kept(made).length).toBeLessThanOrEqual(3);
  });

  test('of a layer in a cache of another machine: the step runs instead', async () => {
    const { cache } = await bomb();
    const made = machine();
    const root = context({ Dockerfile: dockerfile('RUN head -c 64000000 /dev/zero > /zeros') });
    const args = ['build', `--cache-from=type=local,src=${cache}`, root];
    const { exitCode, stderr } = await made.wiac(args, { env: { WIAC_MAX_LAYER_BYTES: '20M' } });
    expect(exitCode).toBe(0);
    expect(stderr).toContain('larger than 20000000 bytes');
  });

  test('of an archive that ADD unpacks', async () => {
    const root = context({ Dockerfile: 'FROM scratch\nADD a.tar.xz /x\n' });
    await execa('sh', ['-c', 'head -c 64000000 /dev/zero > z; tar -cJf a.tar.xz z; rm z'], {
      cwd: root,
    });
    const env = { WIAC_MAX_LAYER_BYTES: '20M' };
    const { exitCode, stderr } = await machine().wiac(['build', root], { env });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 4,
      stderr: expect.stringMatching(/Dockerfile:2:1: .*larger than 20000000 bytes.*WIAC_MAX/s),
    });
  });

  test('of an archive of images, which is unpacked to be read', async () => {
    const file = join(tempDir(), 'images.tar.gz');
    writeFileSync(file, gzipSync(Buffer.alloc(8 << 20)));
    await expect(openTar(file, { ...DEFAULT_LIMITS, maxBytes: 4 << 20 })).rejects.toMatchObject({
      code: 'IMAGE',
      message: expect.stringMatching(/images\.tar\.gz: the archive is larger than 4194304 bytes/),
    });
    const read = await openTar(file, { ...DEFAULT_LIMITS, maxBytes: 16 << 20 });
    await read.close();
  });

  test.each([
    ['WIAC_MAX_LAYER_BYTES', 'much'],
    ['WIAC_MAX_RATIO', '0'],
  ])('%s=%s is refused', async (name, value) => {
    const { exitCode, stderr } = await machine().wiac(['images'], { env: { [name]: value } });
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining(name) });
  });
});
