/**
 * NUL bytes. System calls are handed to a helper program as a list of fields between NUL bytes: a
 * value that has one in it would go on as calls of the attacker's choice, made by root.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { encodeOperations } from '../../src/executor/local/operations.js';
import { getDigest } from '../../src/oci/blob-digest.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, tempDir } from '../support/wiac.js';

const machine = warmMachines();

test('the list of operations takes no value with a NUL byte, and does not print it', () => {
  const encode = () => encodeOperations([{ op: 'env', pairs: [['SECRET', 'hidden\0mount']] }]);
  expect(encode).toThrow(expect.objectContaining({ code: 'ISOLATION' }));
  expect(encode).toThrow(expect.not.objectContaining({ message: expect.stringMatching('hidden') }));
});

describe('in a Dockerfile', () => {
  test.each([
    ['ENV', ['ENV A=b\0c', 'RUN true']],
    ['RUN', ['RUN echo a\0b']],
    ['the exec form', ['RUN ["echo", "a\\u0000b"]']],
    ['a here-document', ['RUN <<EOF', 'echo a\0b', 'EOF']],
    ['the target of a mount', ['RUN --mount=type=tmpfs,target=/x\0y true']],
    ['WORKDIR', ['WORKDIR /a\0b', 'RUN true']],
    ['USER', ['USER a\0b', 'RUN true']],
    ['a source', ['COPY a\0b /']],
    ['a destination', ['COPY bin /a\0b']],
    ['UTF-16', [Buffer.from('RUN true', 'utf16le').toString('latin1')]],
  ])('%s: an error with its place', async (_, lines) => {
    const { exitCode, stderr } = await machine().wiac([
      'build',
      context({ Dockerfile: dockerfile(...lines) }),
    ]);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 3,
      stderr: expect.stringMatching(/:[34]:\d/),
    });
    expect(stderr).toContain('NUL');
  });
});

test('in the config of an image that is pulled', async () => {
  const layout = tempDir();
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
  const put = (value: unknown) => {
    const bytes = Buffer.from(JSON.stringify(value));
    const digest = getDigest(bytes);
    writeFileSync(join(layout, 'blobs/sha256', digest.slice('sha256:'.length)), bytes);
    return { digest, size: bytes.length };
  };
  const config = put({
    os: 'linux',
    architecture: 'amd64',
    config: { Env: ['A=b\0mount\0' + '5'] },
    rootfs: { type: 'layers', diff_ids: [] },
  });
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = put({
    schemaVersion: 2,
    mediaType,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: [],
  });
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const index = { schemaVersion: 2, manifests: [{ mediaType, ...manifest }] };
  writeFileSync(join(layout, 'index.json'), JSON.stringify(index));
  const { exitCode, stderr } = await machine().wiac(['pull', `oci-layout://${layout}`]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 11, stderr: expect.stringContaining('NUL') });
});

test('in a secret that a step gets as a variable', async () => {
  const root = context({
    Dockerfile: dockerfile('RUN --mount=type=secret,id=s,env=S true'),
    secret: 'hidden\0exec',
  });
  const secret = `--secret=id=s,src=${join(root, 'secret')}`;
  const { exitCode, stderr } = await machine().wiac(['build', secret, root]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining('NUL') });
  expect(stderr).not.toContain('hidden');
});
