/** The order in which linkers look for a library. */
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { ElfFile } from '../../src/libs/elf.js';
import { parseLoaderCache } from '../../src/libs/ldcache.js';
import type { Loaded, SystemConfiguration } from '../../src/libs/locate.js';
import { locateLibrary } from '../../src/libs/locate.js';
import type { Loader } from '../../src/libs/search-path.js';
import { NotFoundError, UsageError } from '../../src/util/errors.js';
import { tempDir, writeTree } from '../support/wiac.js';
import { cacheBytes } from './synthetic.js';

const GLIBC: Loader = {
  lib: 'lib64',
  platform: 'x86_64',
  directories: ['/lib64', '/lib'],
  muslPathFile: undefined,
};
const NO_CONFIG = join('/nowhere', 'ld.so.conf');

function elf(paths: Partial<ElfFile> = {}): ElfFile {
  return {
    bits: 64,
    littleEndian: true,
    machine: 62,
    interpreter: undefined,
    soname: undefined,
    needed: [],
    rpath: undefined,
    runpath: undefined,
    noDefaultDirectories: false,
    ...paths,
  };
}

function loaded(path: string, paths: Partial<ElfFile> = {}, parent?: Loaded): Loaded {
  return { path, layerPath: path, elf: elf(paths), parent };
}

function system(...cached: string[]): SystemConfiguration {
  const entries = cached.map((path) => ({ name: 'libx.so', path }));
  return {
    cachePath: '/etc/ld.so.cache',
    cache: parseLoaderCache(cacheBytes(entries)),
    configPath: NO_CONFIG,
  };
}

interface Case {
  readonly by: Loaded;
  readonly name?: string;
  readonly loader?: Loader;
  readonly system?: SystemConfiguration;
}

/** Every path that is tried, in order: nothing fits until the list has come to its end. */
function tried(wanted: Case): string[] {
  const paths: string[] = [];
  const { name = 'libx.so', loader = GLIBC } = wanted;
  const never = (path: string) => {
    paths.push(path);
    return false;
  };
  expect(() => locateLibrary(name, wanted.by, loader, wanted.system ?? system(), never)).toThrow(
    NotFoundError,
  );
  return paths;
}

const BUILT_IN = ['/lib64/libx.so', '/lib/libx.so'];

describe('glibc', () => {
  const main = loaded('/app/main', { rpath: ['/main'] });

  test('RPATH, cache, built-in directories', () => {
    expect(tried({ by: main, system: system('/opt/libx.so') })).toEqual([
      '/main/libx.so',
      '/opt/libx.so',
      ...BUILT_IN,
    ]);
  });

  test('a RUNPATH switches RPATH off', () => {
    const by = loaded('/app/main', { rpath: ['/r'], runpath: ['/one', '/two'] });
    expect(tried({ by })).toEqual(['/one/libx.so', '/two/libx.so', ...BUILT_IN]);
  });

  test('an empty RUNPATH switches RPATH off as well', () => {
    expect(tried({ by: loaded('/app/main', { rpath: ['/r'], runpath: [''] }) })).toEqual(BUILT_IN);
  });

  test('RPATHs of those that loaded it count, the nearest first', () => {
    const by = loaded('/l/libb.so', { rpath: ['/b'] }, loaded('/l/liba.so', {}, main));
    expect(tried({ by })).toEqual(['/b/libx.so', '/main/libx.so', ...BUILT_IN]);
  });

  test('a RUNPATH is not inherited, nor is an RPATH beside one', () => {
    const parent = loaded('/l/liba.so', { rpath: ['/no'], runpath: ['/no'] }, main);
    expect(tried({ by: loaded('/l/libb.so', {}, parent) })).toEqual(['/main/libx.so', ...BUILT_IN]);
  });

  test('a RUNPATH of its own switches inherited RPATHs off', () => {
    const by = loaded('/l/libb.so', { runpath: ['/b'] }, main);
    expect(tried({ by })).toEqual(['/b/libx.so', ...BUILT_IN]);
  });

  test('$ORIGIN is the directory of the file that holds the path', () => {
    const parent = loaded('/app/bin/main', { rpath: ['$ORIGIN/../lib'] });
    const by = loaded('/l/libb.so', { rpath: ['${ORIGIN}/$LIB'] }, parent);
    expect(tried({ by })).toEqual(['/l/lib64/libx.so', '/app/bin/../lib/libx.so', ...BUILT_IN]);
  });

  test('-z nodefaultlib: built-in directories count neither by themselves nor in the cache', () => {
    const by = loaded('/app/main', { noDefaultDirectories: true });
    expect(tried({ by, system: system('/lib/libx.so', '/opt/libx.so') })).toEqual(['/opt/libx.so']);
  });

  test('ld.so.conf stands in for a cache that is not there', () => {
    const root = tempDir();
    writeTree(root, { 'ld.so.conf': '/conf\n' });
    const configPath = join(root, 'ld.so.conf');
    expect(tried({ by: main, system: { ...system(), cache: undefined, configPath } })).toEqual([
      '/main/libx.so',
      '/conf/libx.so',
      ...BUILT_IN,
    ]);
  });

  test('only a library outside of the built-in directories depends on the cache', () => {
    const find = (path: string) =>
      locateLibrary('libx.so', loaded('/app/main'), GLIBC, system(path), (at) => at === path);
    expect(find('/opt/libx.so').configuration).toBe('/etc/ld.so.cache');
    expect(find('/lib/libx.so').configuration).toBeUndefined();
  });
});

describe('musl', () => {
  const musl = (muslPathFile: string): Loader => ({
    ...GLIBC,
    directories: ['/lib', '/usr/local/lib', '/usr/lib'],
    muslPathFile,
  });

  test('RUNPATH is inherited as RPATH is; there is no cache', () => {
    const parent = loaded('/app/main', { rpath: ['/no'], runpath: ['/main'] });
    const by = loaded('/l/libb.so', { rpath: ['/b'] }, parent);
    const loader = musl('/nowhere/ld-musl-x86_64.path');
    expect(tried({ by, loader, system: system('/opt/libx.so') })).toEqual([
      '/b/libx.so',
      '/main/libx.so',
      '/lib/libx.so',
      '/usr/local/lib/libx.so',
      '/usr/lib/libx.so',
    ]);
  });

  test('a path file replaces the built-in directories, and the layer needs it', () => {
    const root = tempDir();
    writeTree(root, { 'ld-musl-x86_64.path': '/one:/two\n' });
    const loader = musl(join(root, 'ld-musl-x86_64.path'));
    const by = loaded('/app/main');
    expect(tried({ by, loader })).toEqual(['/one/libx.so', '/two/libx.so']);
    expect(locateLibrary('libx.so', by, loader, system(), () => true).configuration).toBe(
      loader.muslPathFile,
    );
  });
});

describe('a name with a slash is a path', () => {
  test('tokens are expanded, nothing else is looked through', () => {
    const by = loaded('/app/main', { rpath: ['/r'] });
    expect(tried({ by, name: '$ORIGIN/lib/libx.so' })).toEqual(['/app/lib/libx.so']);
    expect(tried({ by, name: '/abs/libx.so' })).toEqual(['/abs/libx.so']);
  });

  test('a relative one depends on where the program is started', () => {
    expect(() =>
      locateLibrary('./libx.so', loaded('/app/main'), GLIBC, system(), () => true),
    ).toThrow(UsageError);
  });
});

test('the origin in the layer gives the path in the layer', () => {
  const by: Loaded = {
    ...loaded('/opt/tool/bin/run', { runpath: ['$ORIGIN/../lib'] }),
    layerPath: '/usr/bin/run',
  };
  expect(locateLibrary('libx.so', by, GLIBC, system(), () => true)).toMatchObject({
    path: '/opt/tool/bin/../lib/libx.so',
    layerPath: '/usr/lib/libx.so',
  });
});
