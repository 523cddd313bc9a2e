/** Looks at the machine for `wiac doctor`. What it makes for that, it removes. */
import {
  accessSync,
  constants,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { release } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { execa } from 'execa';
import type { MachineFacts, Trial } from '../doctor/facts.js';
import { canRun } from '../executor/local/binfmt.js';
import { readHierarchies } from '../executor/local/cgroup.js';
import { groupsAbove } from '../executor/local/cgroup-hierarchy.js';
import { hasRange, userName } from '../executor/local/privileges.js';
import { getBinary } from '../native/binary.js';
import { hostPlatform, parsePlatform } from '../oci/platform.js';
import { authFiles, readAuthFile } from '../oci/registry/credentials.js';
import { storePaths, storeRoot } from '../store/paths.js';
import { requireOwnParts } from '../store/require-own-parts.js';
import { requireOwnPlace } from '../store/require-own-place.js';
import { FORMAT_VERSION } from '../store/store.js';
import { readFreeRange } from '../util/free-range.js';
import { hasNoNewPrivileges } from '../util/no-new-privileges.js';
import { withoutUser } from '../util/redact.js';
import { selfCommand } from '../util/self-command.js';

const WORKS: Trial = { works: true };
const PROGRAMS = ['pasta', 'slirp4netns', 'git', 'zstd', 'newuidmap'];
const ARCHITECTURES = ['amd64', 'arm64', 'arm', '386', 'riscv64', 's390x', 'ppc64le'];
const PROXIES = ['http_proxy', 'https_proxy', 'no_proxy'];

function failed(error: unknown): Trial {
  const { message, hint } = error as Error & { readonly hint?: string };
  return { works: false, why: message, ...(hint === undefined ? {} : { mend: hint }) };
}

function attempt(action: () => void): Trial {
  try {
    action();
    return WORKS;
  } catch (error) {
    return failed(error);
  }
}

async function run(program: string, ...args: string[]): Promise<Trial> {
  const { exitCode, stderr, shortMessage } = await execa(program, args, { reject: false });
  if (exitCode === 0) return WORKS;
  // mount(8) says what to read as well, in lines of their own.
  const [why] = stderr.trim().split('\n', 1);
  return { works: false, why: why || (shortMessage ?? 'it failed') };
}

async function missingCalls(): Promise<string[]> {
  const { stdout, exitCode } = await execa(getBinary(), ['calls'], { reject: false });
  return exitCode === 0 ? stdout.split('\n').filter(Boolean) : [];
}

/** The nearest directory that is there. */
function existing(path: string): string {
  return existsSync(path) ? path : existing(dirname(path));
}

/**
 * Mounts an overlay in namespaces that end with it. It is volatile, or its end would wait until all that others wrote
 * to the same disk is there. Kernels older than 5.10 have no such overlays. Its work directory is removed in there:
 * nobody else may read what overlayfs leaves in it.
 * @param isRoot else in one of the user's
 */
function tryOverlay(directory: string, isRoot: boolean): Promise<Trial> {
  const options = `lowerdir=a:b,upperdir=u,workdir=w${isRoot ? '' : ',userxattr'}`;
  const mount = (more: string) => `mount -t overlay -o ${options}${more} wiac m`;
  const script = `
    cd "$1" && mkdir a b u w m && { ${mount(',volatile')} || ${mount('')}; } || exit
    umount m && rm -r w`;
  const flags = isRoot ? ['--mount'] : ['--user', '--map-root-user', '--mount'];
  return run('unshare', ...flags, 'sh', '-c', script, 'sh', directory);
}

/** Does wiac use this store? It changes none: where there is none, none is made, and no older one is upgraded. */
async function tryOpen(root: string): Promise<Trial> {
  try {
    requireOwnPlace(root);
    requireOwnParts(storePaths(root));
  } catch (error) {
    return failed(error);
  }
  const version = join(root, 'format-version');
  if (!existsSync(version) || readNumber(version, /(\d+)/) < FORMAT_VERSION) return WORKS;
  // As the user's commands do it: users other than root have a namespace of their own there.
  const [program, ...words] = await selfCommand(['images', '--quiet']);
  const { exitCode, stderr } = await execa(program, words, { reject: false });
  if (exitCode === 0) return WORKS;
  const [why = '', mend] = stderr
    .trim()
    .split(/^(?:wiac|hint): /m)
    .filter(Boolean);
  return { works: false, why: why.trim(), ...(mend === undefined ? {} : { mend: mend.trim() }) };
}

/** What can be found out by a directory in the place of the store. */
async function tryStore(root: string, isRoot: boolean) {
  const place = existing(root);
  const { bavail, blocks, bsize, type } = statfsSync(place);
  const disk = { root, free: bavail * bsize, size: blocks * bsize, type };
  let made: string;
  try {
    made = mkdtempSync(join(place, '.wiac-doctor-'));
  } catch (error) {
    return { overlay: WORKS, store: { ...disk, writable: failed(error), clockSkew: 0 } };
  }
  try {
    const clockSkew = statSync(made).mtimeMs - Date.now();
    const overlay = await tryOverlay(made, isRoot);
    return { overlay, store: { ...disk, writable: WORKS, clockSkew } };
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}

function controlGroups(): MachineFacts['controlGroups'] {
  const hierarchy = readHierarchies()('pids');
  const [nearest] = hierarchy ? groupsAbove(hierarchy) : [];
  if (!hierarchy || nearest === undefined) return undefined;
  const mayMake = attempt(() => accessSync(nearest, constants.W_OK));
  return mayMake.works ? hierarchy.version : undefined;
}

function isOnPath(program: string, path: string): boolean {
  return path.split(delimiter).some((directory) => {
    return attempt(() => accessSync(join(directory, program), constants.X_OK)).works;
  });
}

async function readLogins(env: NodeJS.ProcessEnv, uid: number): Promise<MachineFacts['logins']> {
  const found: MachineFacts['logins'][number][] = [];
  for (const file of authFiles(env, uid)) {
    try {
      const { auths = {}, credHelpers = {} } = (await readAuthFile(file, false)) ?? {};
      found.push({ file, hosts: [...Object.keys(auths), ...Object.keys(credHelpers)] });
    } catch (error) {
      found.push({ file, hosts: [], why: (error as Error).message });
    }
  }
  return found;
}

function readNumber(file: string, pattern: RegExp): number {
  try {
    return Number(pattern.exec(readFileSync(file, 'latin1'))?.[1] ?? Number.NaN);
  } catch {
    return Number.NaN;
  }
}

async function factsOfStore(root: string, isRoot: boolean) {
  const { overlay, store } = await tryStore(root, isRoot);
  return {
    overlay,
    store: { ...store, opens: store.writable.works ? await tryOpen(root) : WORKS },
  };
}

/** @param env the environment, for the store, programs, proxies and logins */
export async function machineFacts(env: NodeJS.ProcessEnv): Promise<MachineFacts> {
  const uid = process.getuid?.() ?? 0;
  const isRoot = uid === 0;
  const name = userName(uid);
  const root = storeRoot(env, isRoot);
  const programs = Object.fromEntries(
    PROGRAMS.map((program) => [program, isOnPath(program, env.PATH ?? '')]),
  );
  const own = hostPlatform().architecture;
  const proxies = Object.entries(env).filter(([key]) => PROXIES.includes(key.toLowerCase()));
  return {
    kernel: release(),
    node: process.version,
    user: { uid, name },
    helper: attempt(() => accessSync(getBinary(), constants.X_OK)),
    missingCalls: await missingCalls(),
    userNamespace: isRoot ? WORKS : await run('unshare', '--user', '--map-root-user', 'true'),
    ranges: {
      subuid: hasRange('/etc/subuid', name, uid),
      subgid: hasRange('/etc/subgid', name, uid),
      uidmap: programs.newuidmap ?? false,
      free: readFreeRange(),
    },
    noNewPrivileges: hasNoNewPrivileges(),
    controlGroups: controlGroups(),
    programs,
    foreign: ARCHITECTURES.filter(
      (architecture) => architecture !== own && canRun(parsePlatform(`linux/${architecture}`)),
    ),
    ...(await factsOfStore(root, isRoot)),
    now: Date.now(),
    proxies: Object.fromEntries(proxies.map(([key, value]) => [key, withoutUser(value ?? '')])),
    logins: await readLogins(env, uid),
    openFiles: readNumber('/proc/self/limits', /^Max open files +(\d+)/m),
    watches: readNumber('/proc/sys/fs/inotify/max_user_watches', /(\d+)/),
  };
}
