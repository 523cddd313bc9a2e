/** Commands of Docker, podman and buildah that wiac lacks, and what does their work here. */

const NO_CONTAINERS =
  'wiac keeps no containers: wiac run runs a program in the foreground, and nothing is left of it';

const CONTAINERS = [
  ...['attach', 'commit', 'container', 'cp', 'create', 'exec', 'kill', 'logs', 'mount', 'pause'],
  ...['pod', 'port', 'ps', 'rename', 'restart', 'rm', 'start', 'stats', 'stop', 'top', 'umount'],
  ...['unpause', 'update', 'wait'],
];

const ONLY_BUILDS =
  'wiac compose build builds the images, and wiac run runs one; docker compose or podman-compose do the rest';

const OF_COMPOSE = new Set([
  ...['attach', 'config', 'cp', 'create', 'down', 'events', 'exec', 'images', 'kill', 'logs', 'ls'],
  ...['pause', 'port', 'ps', 'pull', 'push', 'restart', 'rm', 'run', 'scale', 'start', 'stats'],
  ...['stop', 'top', 'unpause', 'up', 'wait', 'watch'],
]);

const INSTEAD: ReadonlyMap<string, string> = new Map([
  ...CONTAINERS.map((name) => [name, NO_CONTAINERS] as const),
  ['bud', 'wiac build'],
  ['builder', 'wiac build; wiac cache du and wiac cache prune for its cache'],
  ['buildx', 'wiac build, wiac bake and wiac imagetools are there without it'],
  ['du', 'wiac cache du'],
  ['image', 'wiac images, wiac inspect, wiac history, wiac tag and wiac rmi'],
  ['import', 'ADD FILE.tar / after FROM scratch, in a Dockerfile'],
  ['info', 'wiac doctor'],
  ['load', 'wiac pull docker-archive:FILE -t NAME'],
  ['manifest', 'wiac imagetools create and wiac imagetools inspect'],
  ['prune', 'wiac cache prune'],
  ['save', 'wiac push NAME docker-archive:FILE'],
  ['system', 'wiac doctor, wiac cache du and wiac cache prune'],
  ['unshare', 'wiac makes a user namespace of its own where it needs one'],
  ['version', 'wiac --version'],
  [
    'volume',
    'wiac keeps no volumes: wiac cache mounts ls lists cache mounts, wiac run -v shows a directory',
  ],
]);

/** `docker image NAME`, `docker container NAME` and the like: what is called otherwise here. */
const OF_GROUPS: ReadonlyMap<string, Readonly<Record<string, string>>> = new Map([
  [
    'image',
    {
      build: 'wiac build',
      diff: 'wiac diff',
      history: 'wiac history',
      import: INSTEAD.get('import') ?? '',
      inspect: 'wiac inspect',
      list: 'wiac images',
      load: INSTEAD.get('load') ?? '',
      ls: 'wiac images',
      prune: 'wiac cache prune',
      pull: 'wiac pull',
      push: 'wiac push',
      rm: 'wiac rmi',
      save: INSTEAD.get('save') ?? '',
      sign: 'wiac sign',
      tag: 'wiac tag',
    },
  ],
  [
    'container',
    { run: 'wiac run', prune: 'nothing is left of a run: wiac cache prune is for the cache' },
  ],
  ['builder', { build: 'wiac build', prune: 'wiac cache prune' }],
  [
    'buildx',
    {
      bake: 'wiac bake',
      build: 'wiac build',
      du: 'wiac cache du',
      history: 'wiac log',
      imagetools: 'wiac imagetools',
      ls: 'leave it out: there is one builder, wiac',
      create: 'leave it out: there is one builder, wiac',
      inspect: 'leave it out: there is one builder, wiac',
      use: 'leave it out: there is one builder, wiac',
      prune: 'wiac cache prune',
      version: 'wiac --version',
    },
  ],
  ['system', { df: 'wiac cache du', info: 'wiac doctor', prune: 'wiac cache prune' }],
]);

/**
 * What to do in the place of a command that wiac does not have.
 * @param wanted the first word that was given
 * @param unknown the one that is no command
 * @param next the word after it
 */
export function insteadOfCommand(
  wanted: string | undefined,
  unknown: string,
  next?: string,
): string | undefined {
  if (wanted === unknown) {
    const group = OF_GROUPS.get(unknown) ?? {};
    return next !== undefined && Object.hasOwn(group, next) ? group[next] : INSTEAD.get(unknown);
  }
  return wanted === 'compose' && OF_COMPOSE.has(unknown) ? ONLY_BUILDS : undefined;
}

/** The names of those commands. */
export const OTHER_COMMANDS: readonly string[] = [...INSTEAD.keys()];
