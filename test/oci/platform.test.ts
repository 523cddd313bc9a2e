import { describe, expect, test } from '@jest/globals';
import { ImageError } from '../../src/oci/image-error.js';
import { OCI_MANIFEST } from '../../src/oci/media-types.js';
import {
  choosePlatform,
  formatPlatform,
  hostPlatform,
  parsePlatform,
  platformFit,
} from '../../src/oci/platform.js';
import type { Descriptor, Digest } from '../../src/oci/resolved-image.js';

function entry(platform: string | undefined, annotations?: Record<string, string>): Descriptor {
  const [os = '', architecture = '', variant] = (platform ?? '').split('/');
  return {
    mediaType: OCI_MANIFEST,
    digest: `sha256:${platform ?? 'none'}` as Digest,
    size: 1,
    ...(platform === undefined
      ? {}
      : { platform: { os, architecture, ...(variant === undefined ? {} : { variant }) } }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

function choose(wanted: string, ...offered: (string | undefined)[]): string {
  const entries = offered.map((platform) => entry(platform));
  return choosePlatform(entries, parsePlatform(wanted), 'x').digest.slice('sha256:'.length);
}

describe('parsePlatform', () => {
  test.each([
    ['amd64', 'linux/amd64'],
    ['linux/x86_64', 'linux/amd64'],
    ['linux/amd64/v1', 'linux/amd64'],
    ['linux/amd64/v2', 'linux/amd64/v2'],
    ['aarch64', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64'],
    ['linux/arm64/8', 'linux/arm64'],
    ['linux/arm', 'linux/arm/v7'],
    ['armhf', 'linux/arm/v7'],
    ['armel', 'linux/arm/v6'],
    ['Linux/ARM/6', 'linux/arm/v6'],
  ])('%s is %s', (text, expected) => {
    expect(formatPlatform(parsePlatform(text))).toBe(expected);
  });

  test.each(['all', 'nonsense', 'linux/', '/amd64', 'a/b/c/d'])('%s is no platform', (text) => {
    expect(() => parsePlatform(text)).toThrow(ImageError);
  });

  test('local and a system alone are of this machine', () => {
    expect(parsePlatform('local')).toEqual(hostPlatform());
    expect(parsePlatform('linux')).toEqual(hostPlatform());
    expect(parsePlatform('windows')).toEqual({ ...hostPlatform(), os: 'windows' });
  });

  test.each(['', 'a/b/c/d', 'linux/', 'linux/am d64'])('"%s" is refused', (text) => {
    expect(() => parsePlatform(text)).toThrow('is not a platform');
  });
});

describe('choosePlatform', () => {
  const ALL = ['linux/amd64', 'linux/arm/v5', 'linux/arm/v7', 'linux/arm64/v8', 'linux/386'];

  test.each([
    ['linux/amd64', ALL, 'linux/amd64'],
    ['linux/arm64', ALL, 'linux/arm64/v8'],
    ['linux/arm/v7', ALL, 'linux/arm/v7'],
    ['linux/arm/v6', ALL, 'linux/arm/v5'],
    ['linux/arm', ALL, 'linux/arm/v7'],
    ['linux/arm/v8', ['linux/arm/v5', 'linux/arm/v6'], 'linux/arm/v6'],
    ['linux/amd64/v3', ['linux/amd64', 'linux/amd64/v2', 'linux/amd64/v4'], 'linux/amd64/v2'],
    ['linux/arm/v6', ['linux/arm', 'linux/arm/v6'], 'linux/arm/v6'],
    ['windows/amd64', ['linux/amd64', 'windows/amd64'], 'windows/amd64'],
  ])('%s of %j is %s', (wanted, offered, expected) => {
    expect(choose(wanted, ...offered)).toBe(expected);
  });

  test.each([
    ['linux/arm/v6', ['linux/arm/v7']],
    ['linux/amd64', ['linux/amd64/v2']],
    ['linux/arm64', ['linux/arm/v7']],
    ['linux/amd64', ['linux/386', 'windows/amd64']],
  ])('%s has nothing of %j', (wanted, offered) => {
    expect(() => choose(wanted, ...offered)).toThrow(
      `x has no image for ${wanted}, only for ${offered.join(', ')}`,
    );
  });

  test('never chooses an attestation', () => {
    const attestation = { 'vnd.docker.reference.type': 'attestation-manifest' };
    const entries = [entry('linux/amd64', attestation), entry('unknown/unknown')];
    expect(() => choosePlatform(entries, parsePlatform('amd64'), 'x')).toThrow(
      'no platform at all',
    );
    const image = entry('linux/amd64');
    expect(choosePlatform([...entries, image], parsePlatform('amd64'), 'x')).toBe(image);
  });

  test('takes an entry without a platform when no other fits', () => {
    expect(choose('linux/arm64', undefined, 'linux/arm64')).toBe('linux/arm64');
    expect(choose('linux/arm64', 'linux/amd64', undefined)).toBe('none');
  });

  test('fits exactly, worse, or not', () => {
    const arm = parsePlatform('linux/arm/v7');
    expect(platformFit(arm, { os: 'linux', architecture: 'arm' })).toBe(0);
    expect(platformFit(arm, parsePlatform('linux/arm/v6'))).toBe(-1);
    expect(platformFit(arm, parsePlatform('linux/arm64'))).toBeUndefined();
  });
});
