/** Which file of lmdb's package a machine gets: by the C library of its Node. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { addonNames, getLibc, withSmallBuffer } from '../../src/start/native-addon.js';

test.each([
  ['/lib64/ld-linux-x86-64.so.2', 'glibc'],
  ['/lib/ld-linux-aarch64.so.1', 'glibc'],
  ['/lib/ld-musl-x86_64.so.1', 'musl'],
  ['/lib/ld-musl-aarch64.so.1', 'musl'],
])('a program that %s loads is linked with %s', (loader, libc) => {
  expect(getLibc(loader)).toBe(libc);
});

test('a program without a dynamic loader counts as one of glibc', () => {
  expect(getLibc(undefined)).toBe('glibc');
});

test('the file for this Node comes first, and then the one for all', () => {
  expect(addonNames('glibc', '115')).toEqual(['node.abi115.glibc.node', 'node.napi.glibc.node']);
  expect(addonNames('musl', '115').at(-1)).toBe('node.napi.musl.node');
});

test("the packages that npm installs have the last file of each C library's list", () => {
  const folders = readdirSync('node_modules/@lmdb').filter((name) =>
    name.startsWith('lmdb-linux-'),
  );
  expect(folders.length).toBeGreaterThan(0);
  for (const folder of folders) {
    const path = (name: string) => `node_modules/@lmdb/${folder}/${name}`;
    for (const libc of ['glibc', 'musl'] as const)
      expect(existsSync(path(addonNames(libc, '0').at(-1) ?? ''))).toBe(true);
    // It asks for no symbol of glibc.
    expect(readFileSync(path('node.napi.musl.node')).includes('GLIBC_')).toBe(false);
  }
});

describe('the buffer that values are read into', () => {
  /** The addon, and where its native part writes. */
  function addon() {
    const original: Buffer = Buffer.alloc(8);
    const set = (buffer: Buffer) => {
      made.target = buffer;
    };
    const made = { globalBuffer: original, setGlobalBuffer: set, original, target: original };
    return made;
  }

  test('is a small one', () => {
    const { globalBuffer, target, original } = withSmallBuffer(addon());
    expect(globalBuffer).not.toBe(original);
    expect(target).toBe(globalBuffer);
  });

  test('stays where somebody in this process reads from it', () => {
    const first = withSmallBuffer(addon());
    const { globalBuffer } = first;
    Object.assign(globalBuffer, { maxLength: globalBuffer.length });
    const second = withSmallBuffer(first);
    expect(second.globalBuffer).toBe(globalBuffer);
    expect(second.target).toBe(globalBuffer);
  });
});
