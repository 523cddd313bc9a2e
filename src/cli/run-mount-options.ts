/** -v, --mount and --tmpfs of `wiac run`, as docker run and podman run write them. */
import type { Stats } from 'node:fs';
import { statSync } from 'node:fs';
import { posix, resolve } from 'node:path';
import { MS } from '../executor/local/operations.js';
import type { MountRequest } from '../executor/local/rootfs.js';
import type { TmpfsRequest } from '../executor/local/run-program.js';
import { getMessage } from '../oci/image-error.js';
import { attributeMap, parseAttributes, parseBoolean, refusing } from '../util/csv-attributes.js';
import { UsageError } from '../util/errors.js';
import { makeDirectories } from '../util/make-directories.js';
import { statNamed } from '../util/stat-named.js';
import { memorySize } from './run-resources.js';

/** The mounts of a container. */
export interface RunMounts {
  readonly binds: readonly MountRequest[];
  readonly tmpfs: readonly TmpfsRequest[];
}

const NO_VOLUMES =
  'wiac keeps no volumes: name a directory with a slash in it, such as -v ./data:/data';

function refuse(text: string, problem: string, hint: string): never {
  throw new UsageError(`${text}: ${problem}`, { hint });
}

function getTarget(text: string, target: string | undefined): string {
  if (!target?.startsWith('/'))
    refuse(text, 'the place in the container is no absolute path', 'write it like /data');
  const path = posix.normalize(target).replace(/(.)\/$/, '$1');
  return path === '/' ? refuse(text, 'it would hide the whole image', 'mount below /') : path;
}

function bind(source: string, path: string, readOnly: boolean, stats: Stats): MountRequest {
  const kind = stats.isDirectory() ? 'directory' : 'file';
  return { source, path, kind, readOnly, optional: false };
}

/** Options of -v that say what wiac does in any case, or what nothing here depends on. */
const HARMLESS =
  /^(rw|z|Z|nocopy|consistent|cached|delegated|private|rprivate|bind|rbind|dev|nodev|)$/;

function isReadOnly(text: string, options: readonly string[]): boolean {
  const unknown = options.find((option) => option !== 'ro' && !HARMLESS.test(option));
  if (unknown !== undefined)
    refuse(text, `wiac does not know the option ${unknown}`, 'ro and rw are there');
  return options.includes('ro');
}

/** `SOURCE:TARGET[:OPTIONS]`. As with docker a directory is made when nothing is there. */
function parseVolume(value: string): MountRequest {
  const text = `-v ${value}`;
  const [source = '', target, options = '', ...rest] = value.split(':');
  if (rest.length > 0) refuse(text, 'there are too many colons', 'write SOURCE:TARGET:ro');
  if (target === undefined)
    refuse(
      text,
      'it names no directory of this machine',
      'what is written there goes with the container in any case: leave it out',
    );
  if (!/^[./]/.test(source)) refuse(text, `there is no volume ${source}`, NO_VOLUMES);
  const path = getTarget(text, target);
  const readOnly = isReadOnly(text, options.split(','));
  const place = resolve(source);
  const found = statNamed(place);
  if (found) return bind(place, path, readOnly, found);
  try {
    makeDirectories(place);
  } catch (error) {
    refuse(
      text,
      `${source} is not there, and can't be made: ${getMessage(error)}`,
      'make it first',
    );
  }
  return bind(place, path, readOnly, statSync(place));
}

/** Flags of mount(2) that are off by default, or on. Docker: rw,noexec,nosuid,nodev. */
const TMPFS_FLAGS: Readonly<Record<string, readonly [flag: number, set: boolean]>> = {
  ro: [MS.RDONLY, true],
  rw: [MS.RDONLY, false],
  nosuid: [MS.NOSUID, true],
  suid: [MS.NOSUID, false],
  noexec: [MS.NOEXEC, true],
  exec: [MS.NOEXEC, false],
  nodev: [MS.NODEV, true],
  dev: [MS.NODEV, false],
};

const TMPFS_DATA = /^(size|mode|uid|gid|nr_blocks|nr_inodes|huge|mpol)=/;

function tmpfs(text: string, target: string, options: readonly string[]): TmpfsRequest {
  let flags = MS.NOSUID | MS.NODEV | MS.NOEXEC;
  const data: string[] = [];
  for (const option of options.filter(Boolean)) {
    const flag = TMPFS_FLAGS[option];
    if (flag) flags = flag[1] ? flags | flag[0] : flags & ~flag[0];
    else if (TMPFS_DATA.test(option)) data.push(option);
    else refuse(text, `a tmpfs has no option ${option}`, 'such as size=64m,mode=1777,exec');
  }
  const mode = data.some((item) => item.startsWith('mode=')) ? [] : ['mode=1777'];
  return { target, options: [...mode, ...data].join(','), flags };
}

/** `TARGET[:OPTIONS]` */
function parseTmpfs(value: string): TmpfsRequest {
  const text = `--tmpfs ${value}`;
  const [target, ...options] = value.split(':');
  return tmpfs(text, getTarget(text, target), options.join(':').split(','));
}

/** The attributes of --mount under their first name. */
const NAMES: Readonly<Record<string, string>> = {
  source: 'src',
  destination: 'dst',
  target: 'dst',
  readonly: 'ro',
};

function getAttributes(value: string): Map<string, string> {
  const attributes = parseAttributes(value, refusing('--mount', value));
  return attributeMap(
    attributes.map((attribute) => ({
      ...attribute,
      name: NAMES[attribute.name] ?? attribute.name,
    })),
    '',
  );
}

function isSwitchedOn(text: string, value: string | undefined): boolean {
  if (value === undefined || value === '') return value === '';
  return (
    parseBoolean(value) ?? refuse(text, `ro=${value} is no boolean`, 'write ro, or leave it out')
  );
}

function known(text: string, attributes: ReadonlyMap<string, string>, names: readonly string[]) {
  const unknown = [...attributes.keys()].find((name) => !names.includes(name));
  if (unknown !== undefined)
    refuse(text, `wiac does not know ${unknown} of such a mount`, names.join(', '));
}

/** `type=bind,src=,dst=,ro` or `type=tmpfs,dst=,tmpfs-size=,tmpfs-mode=` */
function parseMount(value: string): RunMounts {
  const text = `--mount ${value}`;
  const attributes = getAttributes(value);
  const type = attributes.get('type') ?? 'volume';
  const path = getTarget(text, attributes.get('dst'));
  const readOnly = isSwitchedOn(text, attributes.get('ro'));
  if (type === 'tmpfs') {
    known(text, attributes, ['type', 'dst', 'ro', 'tmpfs-size', 'tmpfs-mode']);
    const [size, mode] = ['tmpfs-size', 'tmpfs-mode'].map((name) => attributes.get(name));
    const options = [
      ...(size === undefined ? [] : [`size=${memorySize(size, 'tmpfs-size')}`]),
      ...(mode === undefined ? [] : [`mode=${mode}`]),
      ...(readOnly ? ['ro'] : []),
    ];
    return { binds: [], tmpfs: [tmpfs(text, path, options)] };
  }
  if (type !== 'bind')
    refuse(text, `wiac has no mounts of the type ${type}`, 'bind and tmpfs are there');
  known(text, attributes, [
    'type',
    'src',
    'dst',
    'ro',
    'bind-propagation',
    'consistency',
    'relabel',
  ]);
  isReadOnly(text, [attributes.get('bind-propagation') ?? '']);
  const source = attributes.get('src') ?? '';
  const place = resolve(source);
  const found = source === '' ? undefined : statNamed(place);
  if (!found)
    refuse(text, `src: there is no ${source}`, 'make it first, or write -v, which makes it');
  return { binds: [bind(place, path, readOnly, found)], tmpfs: [] };
}

/** @throws UsageError for what can't be mounted, and for two mounts at one place */
export function parseMounts(options: {
  readonly volume: readonly string[];
  readonly mount: readonly string[];
  readonly tmpfs: readonly string[];
}): RunMounts {
  const mounts = options.mount.map(parseMount);
  const all: RunMounts = {
    binds: [...options.volume.map(parseVolume), ...mounts.flatMap(({ binds }) => binds)],
    tmpfs: [...options.tmpfs.map(parseTmpfs), ...mounts.flatMap(({ tmpfs }) => tmpfs)],
  };
  const places = [...all.binds.map(({ path }) => path), ...all.tmpfs.map(({ target }) => target)];
  const twice = places.find((path, index) => places.indexOf(path) !== index);
  if (twice !== undefined)
    throw new UsageError(`two mounts at ${twice}`, { hint: 'mount one of them elsewhere' });
  return all;
}
