/** Where containers-storage: looks for an image. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { findStorage, parseStorageConf } from '../../src/containers-storage/roots.js';
import { openStorageImage } from '../../src/containers-storage/storage-layers.js';
import { getDigest } from '../../src/oci/blob-digest.js';

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

describe('a storage that a stranger made, which a Dockerfile names', () => {
  const ID = 'a'.repeat(64);
  /** A storage of vfs with one image of one layer. */
  function storage(layer: string): string {
    const directory = mkdtempSync(join(root, 'made-'));
    const put = (path: string, content: string) => {
      mkdirSync(join(directory, path, '..'), { recursive: true });
      writeFileSync(join(directory, path), content);
    };
    const diffId = getDigest(Buffer.from('layer'));
    const rootfs = { type: 'layers', diff_ids: [diffId] };
    const config = JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs });
    const digest = getDigest(Buffer.from(config));
    const manifest = {
      schemaVersion: 2,
      config: { mediaType: 'application/json', digest, size: config.length },
      layers: [{ mediaType: 'application/tar', digest: diffId, size: 1 }],
    };
    put(`vfs-images/${ID}/=${Buffer.from(digest).toString('base64')}`, config);
    put(`vfs-images/${ID}/manifest`, JSON.stringify(manifest));
    put(
      'vfs-images/images.json',
      JSON.stringify([{ id: ID, names: ['localhost/x:latest'], layer }]),
    );
    put('vfs-layers/layers.json', JSON.stringify([{ id: layer, 'diff-digest': diffId }]));
    mkdirSync(join(directory, 'vfs/dir'), { recursive: true });
    return directory;
  }
  const open = (directory: string) => openStorageImage(`[vfs@${directory}]x`, {}, false);

  test('a layer in it is used', () => {
    const directory = storage(ID);
    mkdirSync(join(directory, 'vfs/dir', ID));
    expect(open(directory).layers.map(({ path }) => path)).toEqual([
      join(directory, 'vfs/dir', ID),
    ]);
  });

  test('an id that is a path shows no directory of this machine', () => {
    expect(() => open(storage('../../../../../../../../../etc'))).toThrow('no record of its layer');
  });

  test.each(['vfs-images/images.json', 'vfs-layers/layers.json', `vfs-images/${ID}/manifest`])(
    'a pipe in the place of %s is not waited for',
    (file) => {
      const directory = storage(ID);
      rmSync(join(directory, file));
      execFileSync('mkfifo', [join(directory, file)]);
      expect(() => open(directory)).toThrow('is no file');
    },
  );

  test('nor does a link in the place of a layer', () => {
    const directory = storage(ID);
    symlinkSync('/etc', join(directory, 'vfs/dir', ID));
    expect(() => open(directory)).toThrow('is missing');
  });
});
