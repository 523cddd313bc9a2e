/** Where containers-storage: looks for an image. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { findStorage, parseStorageConf } from '../../src/containers-storage/roots.js';

const root = mkdtempSync(join(tmpdir(), 'wiac-storage-'));
afterAll(() => rmSync(root, { recursive: true }));

const CONF = `
[storage]
  driver = "overlay" # the usual one
# graphroot = "/commented/out"
graphroot = "/srv/images"
rootless_storage_path = "$HOME/images"
[storage.options]
additionalimagestores = [ # read only
  "/usr/share/images",
  '/mnt/images', ]
[storage.options.overlay]
mountopt = "nodev"
`;

describe('storage.conf', () => {
  test('as root, and as an ordinary user', () => {
    const additional = ['/usr/share/images', '/mnt/images'];
    expect(parseStorageConf(CONF, false)).toEqual({
      driver: 'overlay',
      graphroot: '/srv/images',
      additional,
    });
    expect(parseStorageConf(CONF, true).graphroot).toBe('$HOME/images');
    expect(parseStorageConf('', false)).toEqual({ additional: [] });
  });

  test('the file that $CONTAINERS_STORAGE_CONF names, with variables', () => {
    const file = join(root, 'storage.conf');
    writeFileSync(file, CONF);
    const env = { CONTAINERS_STORAGE_CONF: file, HOME: '/home/ann' };
    expect(findStorage('debian:12', env, true)).toEqual({
      name: 'debian:12',
      roots: ['/home/ann/images', '/usr/share/images', '/mnt/images'].map((path) => ({
        path,
        driver: 'overlay',
      })),
    });
    expect(findStorage('x', { ...env, CONTAINERS_STORAGE: '/c' }, true).roots[0]?.path).toBe('/c');
  });

  test('one that is no TOML is named, with the line', () => {
    const file = join(root, 'broken.conf');
    writeFileSync(file, '[storage]\ndriver = \n');
    const find = () => findStorage('x', { CONTAINERS_STORAGE_CONF: file }, false);
    expect(find).toThrow(/broken\.conf can't be read: [\s\S]*2:/);
  });

  test('none: where podman has its images by default', () => {
    const env = { CONTAINERS_STORAGE_CONF: join(root, 'missing'), HOME: '/home/ann' };
    expect(findStorage('x', env, false).roots[0]?.path).toBe('/var/lib/containers/storage');
    expect(findStorage('x', env, true).roots[0]?.path).toBe(
      '/home/ann/.local/share/containers/storage',
    );
  });
});

describe('[DRIVER@ROOT+RUNROOT:OPTIONS]NAME', () => {
  test.each([
    ['[overlay@/a/root+/b/run]x:1', 'x:1', '/a/root', 'overlay'],
    ['[vfs@/a/root]x', 'x', '/a/root', 'vfs'],
    ['[vfs@/a/root+/run:overlay.mountopt=nodev]localhost/x', 'localhost/x', '/a/root', 'vfs'],
    ['[/a/root]x', 'x', '/a/root', 'overlay'],
  ])('%s', (text, name, path, driver) => {
    expect(findStorage(text, {}, false)).toEqual({ name, roots: [{ path, driver }] });
  });

  test('without a driver, the one whose images are there', () => {
    mkdirSync(join(root, 'vfs-images'));
    writeFileSync(join(root, 'vfs-images/images.json'), '[]');
    expect(findStorage(`[${root}]x`, {}, false).roots[0]?.driver).toBe('vfs');
    expect(() => findStorage(`[zfs@${root}]x`, {}, false)).toThrow('the storage driver zfs');
  });
});
