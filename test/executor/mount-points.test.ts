/** Mount points that an image lacks: found or made beside its layers, never in them. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { PointRequest, Stubs } from '../../src/executor/local/mount-points.js';
import { hasCoveringPoints, placeMounts } from '../../src/executor/local/mount-points.js';
import type { MountRequest } from '../../src/executor/local/rootfs.js';
import { inheritRoot, networkFiles, prepareRootfs } from '../../src/executor/local/rootfs.js';
import { sharedPlaces } from '../../src/executor/local/shared-places.js';
import { ContextError } from '../../src/util/errors.js';
import { tempDir } from '../support/wiac.js';

let layer = '';
let scratch = '';

beforeEach(() => {
  layer = tempDir();
  scratch = tempDir();
  stubs = new Map();
  mkdirSync(join(layer, 'etc'));
  writeFileSync(join(layer, 'etc/hosts'), '');
  symlinkSync('/etc', join(layer, 'link'));
  symlinkSync('/dev/shm', join(layer, 'shm'));
});

const stack = (...opaque: string[]) => [{ path: layer, opaque: new Set(opaque) }];
const file = (path: string): PointRequest => ({ path, kind: 'file' });
const directory = (path: string): PointRequest => ({ path, kind: 'directory' });

let stubs: Stubs = new Map();
const points = () => ({ bottom: stubs, top: join(scratch, 'top') });

const place = (...requests: PointRequest[]) => placeMounts(stack(), 0, points(), requests);

describe('placeMounts', () => {
  test('what the image has is used; symbolic links are resolved in the image', () => {
    expect(place(file('/etc/hosts'))).toEqual([{ target: '/etc/hosts' }]);
    expect(place(directory('/link'))).toEqual([{ target: '/etc' }]);
    expect([...stubs]).toEqual([]);
  });

  test('what it lacks is made below the layers', () => {
    expect(place(file('/run/secrets/a'), directory('/cache'))).toEqual([
      { target: '/run/secrets/a' },
      { target: '/cache' },
    ]);
    expect(Object.fromEntries(stubs)).toEqual({
      cache: 'directory',
      run: 'directory',
      'run/secrets': 'directory',
      'run/secrets/a': 'file',
    });
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
    expect(stubs.has('a/b')).toBe(false);
  });

  test('the deepest mount around it counts', () => {
    const [, , found] = place(directory('/a'), directory('/a/b'), directory('/a/b/c'));
    expect(found).toMatchObject({ within: { base: '/a/b', path: 'c' } });
  });

  test('a directory whose content is not known yet gets the place beside it', () => {
    const beside = join(scratch, 'stubs');
    mkdirSync(beside);
    place({ ...directory('/a'), stubs: beside }, file('/a/x'));
    expect(readdirSync(beside)).toEqual(['x']);
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
    const places = sharedPlaces(() => parent);
    return prepareRootfs(stack(), ['lower'], parent, requests, directories, 'namespaces', places);
  };

  test('binds have their places, tmpfs theirs, in the order of the request', () => {
    const { binds, places, lower, root } = prepare([request('/etc/hosts')], ['/b', '/a']);
    expect(binds).toEqual([
      { source: '/source', kind: 'file', readOnly: true, target: '/etc/hosts' },
    ]);
    expect(places).toEqual([{ target: '/b' }, { target: '/a' }]);
    expect(readdirSync(root)).toEqual([]);
    expect(lower).toEqual(['lower', expect.any(String)]);
    expect(readdirSync(lower[1] ?? '').sort()).toEqual(['a', 'b', 'dev', 'proc', 'sys']);
  });

  test('without a place an optional mount is left out, another one is an error', () => {
    expect(prepare([request('/etc', { optional: true })]).binds).toEqual([]);
    expect(() => prepare([request('/etc')])).toThrow(ContextError);
    expect(() => prepare([], ['/etc/hosts'])).toThrow('nothing can be mounted at /etc/hosts');
  });
});

test('containers with the same mount points share a directory of them', () => {
  const parent = tempDir();
  const places = sharedPlaces(() => parent);
  const one = places.stubs(
    new Map([
      ['a', 'directory'],
      ['a/f', 'file'],
    ]),
  );
  expect(
    places.stubs(
      new Map([
        ['a/f', 'file'],
        ['a', 'directory'],
      ]),
    ),
  ).toBe(one);
  expect(lstatSync(join(one, 'a/f')).isFile()).toBe(true);
  const other = places.stubs(new Map([['b', 'directory']]));
  expect(readdirSync(other)).toEqual(['b']);
  expect([places.root(), places.memory()]).toEqual([places.root(), places.memory()]);
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
  const made = (more: object) => networkFiles('/memory', { ...names, ...more });
  const paths = (more: object) => made(more).requests.map(({ path }) => path);

  test('a line of --add-host counts before the container’s own name', () => {
    expect(paths({ resolver: servers })).toEqual(['/etc/hosts', '/etc/resolv.conf']);
    const { files, requests } = made({ resolver: servers });
    expect(requests.map(({ source }) => source)).toEqual(files.map(({ path }) => path));
    const [hosts, resolver] = files.map(({ content }) => String(content).split('\n'));
    expect(hosts?.slice(2)).toEqual(['10.0.0.1\tbox', '127.0.1.1\tbox', '']);
    expect(resolver?.[0]).toBe('nameserver 1.1.1.1');
  });

  test('the image’s own files, where the build says so', () => {
    expect(paths({ resolver: 'none', noHosts: true })).toEqual([]);
    expect(paths({ resolver: servers, network: 'none' })).toEqual(['/etc/hosts']);
  });
});
