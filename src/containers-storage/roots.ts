/** Where podman and buildah keep their images: containers-storage.conf(5). */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TomlTable, TomlValue } from 'smol-toml';
import { parse, TomlDate } from 'smol-toml';
import { getMessage, ImageError } from '../oci/image-error.js';
import { UnsupportedError } from '../util/errors.js';
import { homeOr } from '../util/home-directory.js';
import { readSettings } from '../util/regular-file.js';

/** Drivers whose layers are directories that overlayfs can take as they are. */
const DRIVERS = ['overlay', 'vfs'] as const;
export type StorageDriver = (typeof DRIVERS)[number];

/** One directory with images and layers. */
export interface StorageRoot {
  readonly path: string;
  readonly driver: StorageDriver;
}

/** Where to look for one name. */
export interface StorageQuery {
  /** As podman takes it: a name, an id, the beginning of an id. */
  readonly name: string;
  /** The one that new images go to first, then the additional ones, which are only read. */
  readonly roots: readonly StorageRoot[];
}

/** The members of storage.conf that wiac reads. */
interface StorageConf {
  readonly driver?: string | undefined;
  readonly graphroot?: string | undefined;
  readonly additional: readonly string[];
}

function getTable(value: TomlValue | undefined): TomlTable {
  const isTable =
    typeof value === 'object' && !Array.isArray(value) && !(value instanceof TomlDate);
  return isTable ? value : {};
}

const getString = (value: TomlValue | undefined) => (typeof value === 'string' ? value : undefined);

/** Reads what the file says of where images are. @throws TomlError */
export function parseStorageConf(text: string, rootless: boolean): StorageConf {
  const storage = getTable(parse(text).storage);
  const { additionalimagestores } = getTable(storage.options);
  const additional = Array.isArray(additionalimagestores) ? additionalimagestores : [];
  const ownPath = rootless ? getString(storage.rootless_storage_path) : undefined;
  return {
    driver: getString(storage.driver),
    graphroot: ownPath ?? (rootless ? undefined : getString(storage.graphroot)),
    additional: additional.flatMap((item) => getString(item) ?? []),
  };
}

function readConf(env: NodeJS.ProcessEnv, rootless: boolean): StorageConf {
  const own = homeOr(env.XDG_CONFIG_HOME, '.config', env);
  const files = env.CONTAINERS_STORAGE_CONF
    ? [env.CONTAINERS_STORAGE_CONF]
    : [
        ...(rootless && own !== undefined ? [join(own, 'containers/storage.conf')] : []),
        '/etc/containers/storage.conf',
        '/usr/share/containers/storage.conf',
      ];
  const file = files.find((path) => existsSync(path));
  if (file === undefined) return { additional: [] };
  try {
    return parseStorageConf(readSettings(file).toString(), rootless);
  } catch (cause) {
    // The message of TomlError has the line, the column and an excerpt.
    throw new ImageError(`${file} can't be read: ${getMessage(cause)}`, {
      hint: 'correct it, or name the directory: containers-storage:[overlay@DIR]NAME',
      cause,
    });
  }
}

function defaultRoot(env: NodeJS.ProcessEnv, rootless: boolean): string {
  if (!rootless) return '/var/lib/containers/storage';
  const data = homeOr(env.XDG_DATA_HOME, '.local/share', env);
  if (data === undefined)
    throw new ImageError('there are no images of podman: you have no home directory', {
      hint: 'set HOME, or name the directory: containers-storage:[overlay@DIR]NAME',
    });
  return join(data, 'containers/storage');
}

/** $HOME, $UID and the like, as storage.conf may have them. */
function expand(path: string, env: NodeJS.ProcessEnv): string {
  return path.replace(/\$\{?([A-Z_]+)\}?/g, (_, name: string) => env[name] ?? '');
}

/** The driver that the images of a directory are kept with. */
function getDriver(path: string, wanted: string | undefined): StorageDriver {
  const known = DRIVERS.find((driver) => driver === wanted);
  if (wanted !== undefined && wanted !== '' && known === undefined)
    throw new UnsupportedError(
      `layers of the storage driver ${wanted} can't be used in place`,
      undefined,
      {
        hint: 'copy the image first: skopeo copy containers-storage:NAME oci:DIR:NAME',
      },
    );
  const found = DRIVERS.find((driver) => existsSync(join(path, `${driver}-images/images.json`)));
  return known ?? found ?? 'overlay';
}

/**
 * Where the images of a reference are.
 * @param text what follows `containers-storage:`; `[DRIVER@ROOT+RUNROOT:OPTIONS]NAME` names a
 *   directory (containers-transports(5)), else $CONTAINERS_STORAGE and storage.conf do
 * @param rootless is wiac run by an ordinary user, who has a storage of his own?
 * @throws UnsupportedError for drivers other than overlay and vfs; ImageError for a user without
 *   a home directory, and a storage.conf that can't be read
 */
export function findStorage(text: string, env: NodeJS.ProcessEnv, rootless: boolean): StorageQuery {
  const [, specifier, name = text] = /^\[([^\]]*)\](.*)$/s.exec(text) ?? [];
  if (specifier !== undefined) {
    const [, driver, path = ''] = /^(?:([^@]*)@)?([^+:]*)/.exec(specifier) ?? [];
    return { name, roots: [{ path, driver: getDriver(path, driver) }] };
  }
  const conf = readConf(env, rootless);
  const path = env.CONTAINERS_STORAGE || expand(conf.graphroot || defaultRoot(env, rootless), env);
  const driver = getDriver(path, env.STORAGE_DRIVER || conf.driver);
  const additional = conf.additional.map((root) => expand(root, env));
  return { name, roots: [path, ...additional].map((root) => ({ path: root, driver })) };
}
