import { describe, expect, test } from '@jest/globals';
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.js';
import { parseConfig, parseManifest } from '../../src/oci/parse-manifest.js';

const DIGEST = `sha256:${'ab'.repeat(32)}`;
const DESCRIPTOR = { mediaType: 'x', digest: DIGEST, size: 1 };

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

describe('parseManifest', () => {
  test.each([
    [{ schemaVersion: 1 }, undefined, 'Docker schema 1'],
    [{}, undefined, 'no schemaVersion 2'],
    [[], undefined, 'not a JSON object'],
    [{ schemaVersion: 2 }, undefined, 'config of x is no descriptor'],
    [{ schemaVersion: 2, manifests: [], layers: [] }, undefined, 'ambiguous'],
    [{ schemaVersion: 2, manifests: [] }, OCI_MANIFEST, 'does not fit its media type'],
    [{ schemaVersion: 2, config: DESCRIPTOR, layers: [] }, OCI_INDEX, 'does not fit'],
    [
      { schemaVersion: 2, mediaType: DOCKER_MANIFEST, config: DESCRIPTOR, layers: [] },
      OCI_MANIFEST,
      'ambiguous',
    ],
    [{ schemaVersion: 2, mediaType: 'text/html', config: DESCRIPTOR }, undefined, 'text/html'],
    [
      { schemaVersion: 2, config: { ...DESCRIPTOR, digest: 'sha256:../../x' }, layers: [] },
      undefined,
      'no valid digest',
    ],
    [
      { schemaVersion: 2, config: { ...DESCRIPTOR, size: -1 }, layers: [] },
      undefined,
      'no valid size',
    ],
    [{ schemaVersion: 2, config: DESCRIPTOR, layers: [{}] }, undefined, 'layers of x[0]'],
    [{ schemaVersion: 2, config: DESCRIPTOR, layers: {} }, undefined, 'is no list'],
  ])('refuses %j as type %s: %s', (value, mediaType, why) => {
    expect(() => parseManifest(json(value), mediaType, 'x')).toThrow(why);
  });

  test('says where JSON is broken', () => {
    expect(() => parseManifest(Buffer.from('{'), undefined, 'x')).toThrow(
      'manifest of x is not JSON',
    );
  });

  test('fills in the media type', () => {
    const manifest = { schemaVersion: 2, config: DESCRIPTOR, layers: [] };
    expect(parseManifest(json(manifest), undefined, 'x').mediaType).toBe(OCI_MANIFEST);
    expect(parseManifest(json(manifest), 'application/json', 'x').mediaType).toBe(OCI_MANIFEST);
    expect(parseManifest(json(manifest), DOCKER_MANIFEST, 'x').mediaType).toBe(DOCKER_MANIFEST);
  });
});

test.each([
  [
    { os: 'linux', architecture: 'amd64', variant: 5 },
    'manifests of x[0] has a platform that means nothing',
  ],
  [{ os: 'lin/ux', architecture: 'amd64' }, 'manifests of x[0] has a platform that means nothing'],
  [{ os: 'linux' }, 'a platform without os or architecture'],
])('an index with the platform %j', (platform, why) => {
  const index = { schemaVersion: 2, manifests: [{ ...DESCRIPTOR, platform }] };
  expect(() => parseManifest(json(index), OCI_INDEX, 'x')).toThrow(why);
});

test('a platform of an index that names nothing is none', () => {
  const platform = { os: '', architecture: '' };
  const index = { schemaVersion: 2, manifests: [{ ...DESCRIPTOR, platform }] };
  expect(parseManifest(json(index), OCI_INDEX, 'x')).toMatchObject({ manifests: [DESCRIPTOR] });
  expect(parseManifest(json(index), OCI_INDEX, 'x')).not.toMatchObject({
    manifests: [{ platform: expect.anything() }],
  });
});

describe('parseConfig', () => {
  const CONFIG = { os: 'linux', architecture: 'amd64', rootfs: { diff_ids: [DIGEST] } };

  test('what is null is not there', () => {
    const config = { ...CONFIG, config: { Env: null, Cmd: ['a'] }, history: null };
    expect(parseConfig(json(config), 'x')).toEqual({
      os: 'linux',
      architecture: 'amd64',
      config: { Cmd: ['a'] },
      rootfs: { type: 'layers', diff_ids: [DIGEST] },
    });
  });

  test.each([
    [{}, 'no os, architecture or rootfs'],
    [{ ...CONFIG, rootfs: 1 }, 'no rootfs'],
    [{ ...CONFIG, rootfs: { diff_ids: ['../x'] } }, 'no valid rootfs.diff_ids'],
    [{ ...CONFIG, config: { Env: 'A=b' } }, 'Env has a wrong type'],
    [{ ...CONFIG, config: { Cmd: [1] } }, 'Cmd has a wrong type'],
    [{ ...CONFIG, config: { User: 0 } }, 'User has a wrong type'],
    [{ ...CONFIG, config: { Labels: { a: 1 } } }, 'Labels has a wrong type'],
    [{ ...CONFIG, history: [1] }, 'history that is no list'],
    [{ ...CONFIG, history: [{ created_by: 5 }] }, 'created_by of its history has a wrong type'],
    [{ ...CONFIG, history: [{ empty_layer: 'x' }] }, 'empty_layer of its history has a wrong type'],
    [{ ...CONFIG, created: 5 }, 'created has a wrong type'],
    [{ ...CONFIG, variant: 5 }, 'a platform that means nothing: "linux", "amd64", 5'],
    [{ ...CONFIG, variant: 'a/b' }, 'a platform that means nothing'],
    [{ ...CONFIG, os: 'lin ux' }, 'a platform that means nothing'],
  ])('refuses %j', (value, why) => {
    expect(() => parseConfig(json(value), 'x')).toThrow(why);
  });

  // As go-containerregistry makes them of files.
  test.each([{}, { os: '', architecture: '' }, { os: null, architecture: '', variant: '' }])(
    'what it is for it does not say (%j): what was asked for',
    (names) => {
      const { rootfs } = CONFIG;
      const asked = { os: 'linux', architecture: 'arm', variant: 'v7' };
      expect(parseConfig(json({ ...names, rootfs }), 'x', asked)).toMatchObject(asked);
    },
  );

  test('refuses what is nested without end: it may come from anybody', () => {
    const nested = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    for (const member of [`"config":{"a":${nested}}`, `"other":${nested}`]) {
      const text = JSON.stringify(CONFIG).replace('{', `{${member},`);
      expect(() => parseConfig(Buffer.from(text), 'x')).toThrow('nested deeper than 200 levels');
    }
  });
});
