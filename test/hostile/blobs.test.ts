/** Blobs that are not what their digest says: decompressors stop at the end of their data, wiac does not. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { decompressed } from '../../src/oci/compress/decompress.js';
import { DEFAULT_LIMITS } from '../../src/oci/tar/expansion-limit.js';
import { machine, tempDir } from '../support/wiac.js';

/** Zeros behind gzip's data are nothing to a decompressor: it ends before it has read them all. */
const ZEROS = Buffer.alloc(3 << 20);

const hexDigest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('data behind the end of what is compressed', () => {
  const programs = [
    ['gzip', ZEROS],
    ['bzip2', Buffer.from('no bzip2')],
  ] as const;
  test.each(programs)('of %s: the source is read to its end', async (program, rest) => {
    const { stdout } = await execa(program, ['-c'], { input: 'files', encoding: 'buffer' });
    async function* source() {
      yield Buffer.from(stdout);
      for (let at = 0; at < rest.length; at += 1 << 16) {
        await new Promise((resume) => setTimeout(resume, 1));
        yield rest.subarray(at, at + (1 << 16));
      }
      throw new Error('the digest is another');
    }
    const reading = decompressed(Readable.from(source(), { objectMode: false }), DEFAULT_LIMITS);
    await expect(Readable.from(reading).toArray()).rejects.toThrow('the digest is another');
  });

  test('no blob lies in the store under a digest that is not its own', async () => {
    const tree = tempDir();
    writeFileSync(join(tree, 'file'), 'chosen by somebody else\n');
    const tar = await execa('tar', ['-C', tree, '-cf', '-', 'file'], {
      encoding: 'buffer',
      stripFinalNewline: false,
    });
    const blob = Buffer.concat([gzipSync(tar.stdout), ZEROS]);
    const config = Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        config: {},
        rootfs: { type: 'layers', diff_ids: [`sha256:${hexDigest(tar.stdout)}`] },
      }),
    );
    const layout = tempDir();
    mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
    const put = (mediaType: string, bytes: Uint8Array, hex = hexDigest(bytes)) => {
      writeFileSync(join(layout, 'blobs/sha256', hex), bytes);
      return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
    };
    // That of a layer of somebody else's image, for example.
    const another = hexDigest(Buffer.from('another'));
    const manifest = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: put('application/vnd.oci.image.config.v1+json', config),
      layers: [put('application/vnd.oci.image.layer.v1.tar+gzip', blob, another)],
    };
    const root = put(manifest.mediaType, Buffer.from(JSON.stringify(manifest)));
    const manifests = [{ ...root, annotations: { 'org.opencontainers.image.ref.name': 'x' } }];
    writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
    writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');

    const made = machine();
    const { exitCode, stderr } = await made.wiac(['pull', `oci-layout://${layout}:x`]);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 11,
      stderr: expect.stringMatching(/is damaged: its digest is/),
    });
    expect(existsSync(join(made.root, 'blobs/sha256', another))).toBe(false);
  });
});
