import { expect, test } from '@jest/globals';
import type { BaseImage } from '../../src/check/check-dockerfile.js';
import { details, warned } from './helpers.js';

const arm: BaseImage = { platform: 'linux/arm64', config: { Env: [] } };
const amd: BaseImage = { platform: 'linux/amd64', config: { Env: [] } };

test('UndefinedArgInFrom: image and platform', () => {
  expect(warned('FROM busybox:1${version}')).toEqual(['1 UndefinedArgInFrom']);
  expect(details('FROM --platform=$BULIDPLATFORM scratch')[0]).toContain('mean BUILDPLATFORM?');
  expect(warned('FROM --platform=$BULIDPLATFORM scratch')).toEqual(['1 UndefinedArgInFrom']);
  expect(warned('FROM --platform=$BUILDPLATFORM scratch')).toEqual([]);
  expect(warned('ARG version\nFROM busybox:1${version}')).toEqual([]);
  // A default is no declaration: no --build-arg would change it (seen with BuildKit 0.25).
  expect(warned('FROM busybox:${version:-1}')).toEqual(['1 UndefinedArgInFrom']);
});

test('UndefinedArgInFrom: ARG of a stage declares nothing for the next FROM', () => {
  expect(warned('FROM scratch\nARG version\nFROM busybox:1$version')).toEqual([
    '3 UndefinedArgInFrom',
  ]);
});

test('InvalidDefaultArgInFrom: whatever --build-arg says', () => {
  const text = 'ARG VERSION\nFROM busybox:$VERSION';
  expect(warned(text, { buildArgs: { VERSION: '1' } })).toEqual(['2 InvalidDefaultArgInFrom']);
  expect(warned('ARG IMAGE\nFROM $IMAGE')).toEqual(['2 InvalidDefaultArgInFrom']);
  expect(warned('ARG VERSION=1\nFROM busybox:$VERSION')).toEqual([]);
  expect(warned('ARG VARIANT\nFROM busybox:stable${VARIANT}')).toEqual([]);
});

test('InvalidDefaultArgInFrom: a stage in another case is a stage', () => {
  expect(warned('FROM scratch AS base\nFROM BASE')).toEqual([]);
  expect(warned('FROM BASE')).toEqual(['1 InvalidDefaultArgInFrom']);
});

test('RedundantTargetPlatform: TARGETPLATFORM and nothing else', () => {
  expect(warned('FROM --platform=$TARGETPLATFORM scratch')).toEqual(['1 RedundantTargetPlatform']);
  expect(warned('FROM --platform=${TARGETPLATFORM} scratch')).toEqual([
    '1 RedundantTargetPlatform',
  ]);
  expect(warned('FROM --platform=$TARGETOS/$TARGETARCH scratch')).toEqual([]);
  expect(warned('FROM --platform=${TARGETPLATFORM}/v2 scratch')).toEqual([]);
  expect(warned('ARG V=""\nFROM --platform=$TARGETPLATFORM$V scratch')).toEqual([]);
});

test('FromPlatformFlagConstDisallowed: unless the stage is named after the platform', () => {
  expect(warned('FROM --platform=linux/amd64 scratch')).toEqual([
    '1 FromPlatformFlagConstDisallowed',
  ]);
  expect(warned('FROM --platform=linux/amd64 scratch AS build')).toEqual([
    '1 FromPlatformFlagConstDisallowed',
  ]);
  expect(warned('FROM --platform=linux/amd64 scratch AS build-amd64')).toEqual([]);
  expect(warned('FROM --platform=linux/amd64 scratch AS linux')).toEqual([]);
  expect(warned('ARG P=linux/amd64\nFROM --platform=$P scratch')).toEqual([]);
});

test('InvalidBaseImagePlatform: only when the image is known', () => {
  expect(warned('FROM alpine')).toEqual([]);
  expect(warned('FROM alpine', { baseImage: () => undefined })).toEqual([]);
  expect(warned('FROM alpine', { baseImage: () => arm })).toEqual(['1 InvalidBaseImagePlatform']);
  expect(warned('FROM alpine', { baseImage: () => amd })).toEqual([]);
});

test('InvalidBaseImagePlatform: compared with what FROM asks for, the variant left out', () => {
  const options = { baseImage: () => arm };
  expect(warned('FROM --platform=linux/arm64 alpine AS arm64', options)).toEqual([]);
  expect(warned('FROM --platform=linux/arm64/v9 alpine AS arm64', options)).toEqual([]);
  expect(warned('FROM scratch AS a\nFROM a', options)).toEqual([]);
});

test('InvalidBaseImagePlatform: images of COPY --from, not its stages', () => {
  const options = { baseImage: (name: string) => (name === 'tools' ? arm : amd) };
  expect(warned('FROM alpine AS a\nCOPY --from=tools /a /', options)).toEqual([
    '2 InvalidBaseImagePlatform',
  ]);
  expect(warned('FROM alpine AS tools\nFROM scratch\nCOPY --from=tools /a /', options)).toEqual([]);
});
