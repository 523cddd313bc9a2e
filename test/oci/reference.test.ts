import { describe, expect, test } from '@jest/globals';
import { ImageError } from '../../src/oci/image-error.js';
import { familiarReference, formatReference, parseReference } from '../../src/oci/reference.js';

const HEX = 'a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4';

describe('registry references', () => {
  test.each([
    ['debian', 'docker.io/library/debian:latest'],
    ['debian:12', 'docker.io/library/debian:12'],
    ['docker.io/debian', 'docker.io/library/debian:latest'],
    ['index.docker.io/debian', 'docker.io/library/debian:latest'],
    ['me/app', 'docker.io/me/app:latest'],
    ['docker.io/me/app:v1', 'docker.io/me/app:v1'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app', 'localhost:5000/app:latest'],
    ['127.0.0.1:5000/a/b/c:1', '127.0.0.1:5000/a/b/c:1'],
    ['[::1]:5000/app', '[::1]:5000/app:latest'],
    ['quay.io/a/b', 'quay.io/a/b:latest'],
    ['Foo/bar', 'Foo/bar:latest'],
    ['host.example/a__b/c-d.e--f', 'host.example/a__b/c-d.e--f:latest'],
    [`debian@sha256:${HEX}`, `docker.io/library/debian@sha256:${HEX}`],
    [`debian:12@sha256:${HEX}`, `docker.io/library/debian:12@sha256:${HEX}`],
    ['docker-image://debian', 'docker.io/library/debian:latest'],
    ['docker://quay.io/x:1', 'quay.io/x:1'],
  ])('%s is %s', (text, full) => {
    expect(formatReference(parseReference(text))).toBe(full);
    expect(parseReference(full)).toEqual(parseReference(text));
  });

  test.each([
    ['', 'no name'],
    [':tag', 'no name'],
    ['Debian', '"Debian" is not allowed'],
    ['a//b', 'empty path component'],
    ['a/b/', 'empty path component'],
    ['a:b:c', '"b:c" is not a tag'],
    ['a:-x', '"-x" is not a tag'],
    [`a:${'x'.repeat(129)}`, 'is not a tag'],
    ['a@sha256:123', 'is not a digest'],
    [`a@sha256:${HEX.toUpperCase()}`, 'is not a digest'],
    [HEX, 'could be an image id'],
    ['-bad-.io/x', 'is not a host name'],
    ['../etc', 'is not a host name'],
    [`x.io/${'a'.repeat(255)}`, 'longer than 255'],
    ['a b', 'is not allowed'],
  ])('%s is refused', (text, why) => {
    const parse = () => parseReference(text);
    expect(parse).toThrow(ImageError);
    expect(parse).toThrow(why);
  });

  test('says that names are lower case', () => {
    expect(() => parseReference('docker.io/Me/App')).toThrow(
      expect.objectContaining({ hint: 'repository names are lower case', exitCode: 11 }),
    );
  });

  test.each([
    ['debian:12', 'debian:12'],
    ['me/app', 'me/app:latest'],
    ['quay.io/library/x', 'quay.io/library/x:latest'],
    ['docker.io/library/sub/x', 'library/sub/x:latest'],
    [`debian@sha256:${HEX}`, `debian@sha256:${HEX}`],
  ])('%s is familiar as %s', (text, short) => {
    const reference = parseReference(text);
    if (reference.kind !== 'registry') throw new Error('not a registry reference');
    expect(familiarReference(reference)).toBe(short);
  });
});

describe('transports', () => {
  test.each([
    ['oci-layout://dir', { kind: 'oci-layout', directory: 'dir' }],
    ['oci-layout:///a/dir:v1', { kind: 'oci-layout', directory: '/a/dir', tag: 'v1' }],
    [
      `oci-layout://dir@sha256:${HEX}`,
      { kind: 'oci-layout', directory: 'dir', digest: `sha256:${HEX}` },
    ],
    [
      'oci-archive:a.tar:docker.io/library/x:1',
      { kind: 'oci-archive', file: 'a.tar', tag: 'docker.io/library/x:1' },
    ],
    ['docker-archive:./a.tar', { kind: 'docker-archive', file: './a.tar' }],
    [
      'docker-archive:a.tar:x:1',
      {
        kind: 'docker-archive',
        file: 'a.tar',
        name: { kind: 'registry', host: 'docker.io', repository: 'library/x', tag: '1' },
      },
    ],
    ['containers-storage:localhost/x', { kind: 'containers-storage', name: 'localhost/x' }],
  ])('%s', (text, expected) => {
    expect(parseReference(text)).toEqual(expected);
    expect(parseReference(formatReference(parseReference(text)))).toEqual(expected);
  });

  test.each([
    ['oci-layout://', 'no path'],
    ['oci-layout://dir:', 'nothing follows the colon'],
    ['oci-layout://dir@latest', 'is not a digest'],
    ['docker-archive:a.tar:UP', 'is not allowed'],
    ['containers-storage:', 'no name'],
  ])('%s is refused', (text, why) => {
    expect(() => parseReference(text)).toThrow(why);
  });
});
