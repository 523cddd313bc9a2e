/** Mount points that an image lacks: found or made beside its layers, never in them. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { PointRequest } from '../../src/executor/local/mount-points.js';
import { hasCoveringPoints, placeMounts } from '../../src/executor/local/mount-points.js';
import type { MountRequest } from '../../src/executor/local/rootfs.js';
import { inheritRoot, networkFiles, prepareRootfs } from '../../src/executor/local/rootfs.js';
import { ContextError } from '../../src/util/errors.js';
import { tempDir } from '../support/wiac.js';

let layer = '';
let scratch = '';

beforeEach(() => {
  layer = tempDir();
  scratch = tempDir();
  mkdirSync(join(layer, 'etc'));
  writeFileSync(join(layer, 'etc/hosts'), '');
  symlinkSync('/etc', join(layer, 'link'));
  symlinkSync('/dev/shm', join(layer, 'shm'));
});

const stack = (...opaque: string[]) => [{ path: layer, opaque: new Set(opaque) }];
const file = (path: string): PointRequest => ({ path, kind: 'file' });
const directory = (path: string): PointRequest => ({ path, kind: 'directory' });

function points() {
  const bottom = join(scratch, 'bottom');
  mkdirSync(bottom, { recursive: true });
  return { bottom, top: join(scratch, 'top') };
}

const place = (...requests: PointRequest[]) => placeMounts(stack(), 0, points(), requests);
const made = (path: string) => lstatSync(join(scratch, 'bottom', path), { throwIfNoEntry: false });

describe('placeMounts', () => {
  test('what the image has is used; symbolic links are resolved in the image', () => {
    expect(place(file('/etc/hosts'))).toEqual([{ target: '/etc/hosts' }]);
    expect(place(directory('/link'))).toEqual([{ target: '/etc' }]);
    expect(readdirSync(join(scratch, 'bottom'))).toEqual([]);
  });

  test('what it lacks is made below the layers', () => {
    expect(place(file('/run/secrets/a'), directory('/cache'))).toEqual([
      { target: '/run/secrets/a' },
      { target: '/cache' },
    ]);
    expect(made('run/secrets/a')?.isFile()).toBe(true);
    expect(made('cache')?.isDirectory()).toBe(true);
    expect(existsSync(join(layer, 'run'))).toBe(false);
  });

  test('something of another kind has no place', () => {
    expect(place(file('/etc'), directory('/etc/hosts'), file('/etc/hosts/x'))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('below an opaque directory it is made above the layers, and looks as the image does', () => {
    chmodSync(join(layer, 'etc'), 0o700);
    const [found] = placeMounts(stack('etc'), 0, points(), [file('/etc/new')]);
    expect(found).toEqual({ target: '/etc/new' });
    expect(hasCoveringPoints(points())).toBe(true);
    const covering = lstatSync(join(scratch, 'top/etc'));
    expect(covering.mode & 0o777).toBe(0o700);
    expect(covering.mtimeMs).toBeCloseTo(lstatSync(join(layer, 'etc')).mtimeMs, -1);
  });

  test('inside of another mount the place is made there, whatever the order', () => {
    const inner = { target: '/a/b/c', within: { base: '/a', path: 'b/c', kind: 'file' } };
    expect(place(file('/a/b/c'), directory('/a'))).toEqual([inner, { target: '/a' }]);
    expect(made('a/b')).toBe(undefined);
  });

  test('the deepest mount around it counts', () => {
    const [, , found] = place(directory('/a'), directory('/a/b'), directory('/a/b/c'));
    expect(found).toMatchObject({ within: { base: '/a/b', path: 'c' } });
  });

  test('a directory whose content is not known yet gets the place beside it', () => {
    const stubs = join(scratch, 'stubs');
    mkdirSync(stubs);
    place({ ...directory('/a'), stubs }, file('/a/x'));
    expect(readdirSync(stubs)).toEqual(['x']);
  });

  test('/dev, /proc and /sys are mounts of the container, also by a link', () => {
    const inDev = (path: string) => ({
      target: `/dev/${path}`,
      within: { base: '/dev', path, kind: 'file' },
    });
    expect(place(file('/dev/x'), file('/shm/x'))).toEqual([inDev('x'), inDev('shm/x')]);
    // With --isolation=chroot they are not.
    const [own] = placeMounts(stack(), 0, points(), [file('/dev/x')], false);
    expect(own).toEqual({ target: '/dev/x' });
  });
});

describe('prepareRootfs', () => {
  const request = (path: string, more: Partial<MountRequest> = {}): MountRequest => ({
    path,
    kind: 'file',
    source: '/source',
    readOnly: true,
    optional: false,
    ...more,
  });
  const prepare = (requests: MountRequest[], directories: string[] = []) => {
    const parent = tempDir();
    return prepareRootfs(stack(), ['lower'], parent, requests, directories, 'namespaces');
  };

  test('binds have their places, tmpfs theirs, in the order of the request', () => {
    const { binds, places, lower, root } = prepare([request('/etc/hosts')], ['/b', '/a']);
    expect(binds).toEqual([{ source: '/source', readOnly: true, target: '/etc/hosts' }]);
    expect(places).toEqual([{ target: '/b' }, { target: '/a' }]);
    expect(lower).toEqual(['lower', join(dirname(root), 'stubs')]);
    expect(readdirSync(lower[1] ?? '').sort()).toEqual(['a', 'b', 'dev', 'proc', 'sys']);
  });

  test('without a place an optional mount is left out, another one is an error', () => {
    expect(prepare([request('/etc', { optional: true })]).binds).toEqual([]);
    expect(() => prepare([request('/etc')])).toThrow(ContextError);
    expect(() => prepare([], ['/etc/hosts'])).toThrow('nothing can be mounted at /etc/hosts');
  });
});

test('a new upper directory looks as the root that it covers', () => {
  chmodSync(layer, 0o1750);
  inheritRoot(scratch, stack());
  expect(lstatSync(scratch).mode & 0o7777).toBe(0o1750);
  inheritRoot(scratch, []);
  expect(lstatSync(scratch).mode & 0o7777).toBe(0o1750);
});

describe('networkFiles', () => {
  const names = { network: 'host', extraHosts: ['10.0.0.1\tbox'], hostname: 'box' } as const;
  const servers = { servers: ['1.1.1.1'], search: ['.'], options: [] };
  const paths = (more: object) =>
    networkFiles(scratch, { ...names, ...more }).map(({ path }) => path);
  const read = (name: string) => readFileSync(join(scratch, name), 'utf8').split('\n');

  test('a line of --add-host counts before the container’s own name', () => {
    expect(paths({ resolver: servers })).toEqual(['/etc/hosts', '/etc/resolv.conf']);
    expect(read('hosts').slice(2)).toEqual(['10.0.0.1\tbox', '127.0.1.1\tbox', '']);
    expect(read('resolv.conf')[0]).toBe('nameserver 1.1.1.1');
  });

  test('the image’s own files, where the build says so', () => {
    expect(paths({ resolver: 'none', noHosts: true })).toEqual([]);
    expect(paths({ resolver: servers, network: 'none' })).toEqual(['/etc/hosts']);
  });
});
