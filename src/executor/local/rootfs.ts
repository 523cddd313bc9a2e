/** Prepares the directories of a container: the merged view, and the mount points that it lacks. */
import { chmodSync, chownSync, existsSync, lstatSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Stack } from '../../fs/layer/stack.js';
import type { Resolver } from '../../plan/step.js';
import { ContextError } from '../../util/errors.js';
import type { BindMount, Isolation, MountPlace } from './container.js';
import type { PointRequest, Stubs } from './mount-points.js';
import { hasCoveringPoints, placeMounts } from './mount-points.js';
import type { MemoryFile } from './operations.js';
import { resolvConf } from './resolver.js';
import type { SharedPlaces } from './shared-places.js';

/** A file or directory of this machine to be shown at a path of the container. */
export interface MountRequest extends PointRequest {
  readonly source: string;
  readonly readOnly: boolean;
  /** Leave it out when the image hides the place, instead of failing. */
  readonly optional: boolean;
  /** As in MountPlace. */
  readonly order?: number;
}

/** Directories that every container needs to mount something on. */
const SYSTEM_DIRECTORIES = ['proc', 'dev', 'sys'];

/** Prepared directories of a container. */
export interface Rootfs {
  /** Where the merged view is going to be mounted. */
  readonly root: string;
  /** Lower directories, topmost first, those with the mount points among them. */
  readonly lower: readonly string[];
  readonly binds: readonly BindMount[];
  /** Places of directories asked for without a source, in the order of the request. */
  readonly places: readonly MountPlace[];
}

/**
 * @param stack the container's layers, the upper directory included if it holds anything
 * @param scratch directory for what is this container's own; on the file system of the layers
 * @param directories further mount points for directories (tmpfs)
 * @throws ContextError when a mount point lies below something that is no directory
 */
export function prepareRootfs(
  stack: Stack,
  lower: readonly string[],
  scratch: string,
  requests: readonly MountRequest[],
  directories: readonly string[],
  isolation: Isolation,
  shared: SharedPlaces,
): Rootfs {
  const bottom: Stubs = new Map(SYSTEM_DIRECTORIES.map((name) => [name, 'directory']));
  const points = { bottom, top: join(scratch, 'covering-stubs') };
  const wanted: PointRequest[] = [
    ...directories.map((path) => ({ path, kind: 'directory' as const })),
    ...requests,
  ];
  const own = isolation === 'namespaces';
  const found = placeMounts(stack, stack.length - lower.length, points, wanted, own);
  const refuse = (path: string): never => {
    throw new ContextError(
      `nothing can be mounted at ${path}: the image has a file of another type there`,
      undefined,
    );
  };
  const places = directories.map((path, index) => found[index] ?? refuse(path));
  const binds = requests.flatMap(
    ({ source, path, kind, readOnly, optional, order }, index): BindMount[] => {
      const place = found[directories.length + index];
      if (place)
        return [{ source, kind, readOnly, ...place, ...(order === undefined ? {} : { order }) }];
      return optional ? [] : refuse(path);
    },
  );
  const covering = hasCoveringPoints(points) ? [points.top] : [];
  return {
    root: shared.root(),
    lower: [...covering, ...lower, shared.stubs(bottom)],
    binds,
    places,
  };
}

/** Gives a new upper directory the attributes of the root that it is going to cover. */
export function inheritRoot(upper: string, stack: Stack): void {
  const [top] = stack;
  if (!top) return;
  const { mode, uid, gid } = lstatSync(top.path);
  chownSync(upper, uid, gid);
  chmodSync(upper, mode & 0o7777);
}

const RESOLV_CONF = '/etc/resolv.conf';
const HOSTS = ['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback'];

/** This machine's, none, or one of its own that leads out (private-network.ts). */
export type NetworkMode = 'host' | 'none' | 'private';

/** What a container's network is to be called and to know. */
export interface NetworkNames {
  readonly network: NetworkMode;
  /** In the place of this machine's name servers, which a private network may not reach. */
  readonly nameserver?: string | undefined;
  /** Further lines of /etc/hosts. */
  readonly extraHosts: readonly string[];
  /** The container's own: programs such as sudo ask for its address. */
  readonly hostname: string;
  /** `none`: the image has its own /etc/resolv.conf. */
  readonly resolver?: Resolver | 'none' | undefined;
  /** The image has its own /etc/hosts. */
  readonly noHosts?: boolean | undefined;
}

/** @param nameserver takes the place of all others, where there is one */
function withNameserver(text: string, nameserver: string | undefined): string {
  if (nameserver === undefined) return text;
  const rest = text.split('\n').filter((line) => line !== '' && !/^\s*nameserver\b/.test(line));
  return [`nameserver ${nameserver}`, ...rest, ''].join('\n');
}

/** Files in memory, and where the container shows them. */
export interface ShownFiles {
  readonly files: readonly MemoryFile[];
  readonly requests: readonly MountRequest[];
}

/**
 * /etc/hosts and /etc/resolv.conf of a container: its own, because a program may write to them.
 * @param directory of the files in memory
 */
export function networkFiles(
  directory: string,
  { network, nameserver, extraHosts, hostname, resolver, noHosts }: NetworkNames,
): ShownFiles {
  const contents: (readonly [path: string, content: string])[] = [];
  // After the others: a line of --add-host for the same name counts.
  const hosts = [...HOSTS, ...extraHosts, `127.0.1.1\t${hostname}`, ''];
  if (!noHosts) contents.push(['/etc/hosts', hosts.join('\n')]);
  const isThere = existsSync(RESOLV_CONF);
  if (network !== 'none' && resolver !== 'none' && (resolver || nameserver || isThere)) {
    const machine = withNameserver(isThere ? readFileSync(RESOLV_CONF, 'utf8') : '', nameserver);
    contents.push([RESOLV_CONF, resolver ? resolvConf(machine, resolver) : machine]);
  }
  const file = { kind: 'file', readOnly: false, optional: true } as const;
  const attributes = { mode: 0o644, uid: 0, gid: 0 };
  const sourceOf = (path: string) => join(directory, basename(path));
  return {
    files: contents.map(([path, content]) => ({
      path: sourceOf(path),
      content: Buffer.from(content),
      ...attributes,
    })),
    requests: contents.map(([path]) => ({ ...file, source: sourceOf(path), path })),
  };
}
