/** The description of a container: everything there is to know about it before it starts. */
import type { ResourceLimit } from '../../plan/step.js';
import { DOCKER_PROFILE } from '../seccomp/docker-profile.js';
import type { Profile } from '../seccomp/profile.js';
import { DEFAULT_CAPABILITIES } from './capabilities.js';
import type { Device } from './devices.js';
import type { DeviceFilter, MemoryFile, Overlay } from './operations.js';
import type { ShownGroup } from './shown-groups.js';
import type { OrderedNames, Variation } from './variation.js';

/** How much a container is kept apart from this machine. */
export type Isolation = 'namespaces' | 'chroot';

/** Where something is mounted. */
export interface MountPlace {
  /** Absolute path in the container, symlinks resolved. */
  readonly target: string;
  /**
   * The mount that it lies in, by its target, and the path below that: the mount point is made there
   * if it is missing. Undefined: it exists in the merged root.
   */
  readonly within?: {
    readonly base: string;
    readonly path: string;
    readonly kind: 'file' | 'directory';
  };
  /** Of several at one place, also by a link of the image, the one with the highest number is there; 0 when undefined. */
  readonly order?: number;
}

/** Something of this machine that is shown inside. */
export interface BindMount extends MountPlace {
  readonly source: string;
  readonly kind: 'file' | 'directory';
  readonly readOnly: boolean;
}

/** Another stack of layers, mounted outside of the container's root; binds show parts of it. */
export interface View {
  readonly root: string;
  readonly overlay: Overlay;
}

/** A tmpfs inside the container. */
export interface TmpfsMount extends MountPlace {
  /** mount(8) options such as `size=64m,mode=1777`. */
  readonly options: string;
  /** Of mount(2); no devices and no setuid programs when undefined. */
  readonly flags?: number;
}

/**
 * Files that are on no disk and in no directory of this machine: they vanish with the container.
 * Binds may show them.
 */
export interface MemoryFiles {
  /** Empty directory of this machine that they appear in, for the container only. */
  readonly directory: string;
  readonly files: readonly MemoryFile[];
}

/** Where the program's standard streams lead. */
export type StreamKind =
  /** Output and errors to the process that starts the container; no input. */
  | 'capture'
  /** Those of wiac's caller. */
  | 'relay';

/** Restrictions of a container. An insecure container has none of them but `readOnly`. */
export interface Restrictions {
  /** Numbers of linux/capability.h that it keeps. */
  readonly capabilities: readonly number[];
  /** Also in the article's chroot and where there is no sandbox, which keep all otherwise. */
  readonly everywhere?: boolean;
  /** Which system calls it may make; undefined: all. */
  readonly seccomp: Profile | undefined;
  readonly noNewPrivileges: boolean;
  /** The root is read-only; mounts stay writable. */
  readonly readOnly: boolean;
  /** A process 1 that reaps the processes its program leaves behind, and passes signals on. */
  readonly init: boolean;
}

/** Docker's own. */
export const DEFAULT_RESTRICTIONS: Restrictions = {
  capabilities: DEFAULT_CAPABILITIES,
  seccomp: DOCKER_PROFILE,
  noNewPrivileges: false,
  readOnly: false,
  init: false,
};

/** Of RUN steps; the same on every machine, so that a step that records it gives the same files. */
export const STEP_HOSTNAME = 'wiac';

/** Octal. The same on every machine, because it decides which permissions new files have. */
export const USUAL_UMASK = '0022';

/** Everything there is to know about a container before it starts. */
export interface Container {
  readonly isolation: Isolation;
  /** Path of the OCI runtime that makes it; undefined: wiac itself does. */
  readonly runtime: string | undefined;
  /** File of this machine that the runtime writes its errors to. */
  readonly runtimeLog: string;
  readonly overlay: Overlay;
  /** Empty directory of this machine where the merged view is mounted. */
  readonly root: string;
  readonly views: readonly View[];
  readonly memory: MemoryFiles;
  readonly binds: readonly BindMount[];
  readonly tmpfs: readonly TmpfsMount[];
  readonly network: 'host' | 'none' | { readonly namespace: string };
  /**
   * All capabilities, no masked paths, /sys to be written to: RUN --security=insecure and
   * --privileged.
   */
  readonly insecure: boolean;
  /** Paths that it sees as empty, unless it is insecure. */
  readonly masked: readonly string[];
  /** In /dev besides those that every container has. */
  readonly devices: readonly Device[];
  readonly restrictions: Restrictions;
  /** cgroup.procs of version 2 and tasks of version 1, of the control groups that it runs in. */
  readonly cgroups: readonly string[];
  /** For the one of version 2; undefined: version 1 has rules of its own, or all devices may be used. */
  readonly deviceFilter: DeviceFilter | undefined;
  readonly shownGroups: readonly ShownGroup[];
  readonly hostname: string | undefined;
  /** A terminal for its streams, also where wiac's caller has none. */
  readonly terminal: boolean;
  /** Empty directory of this machine where the container's terminals are made first. */
  readonly pts: string;
  /** Size of /dev/shm in bytes. */
  readonly shmSize: number;
  readonly limits: readonly ResourceLimit[];
  /** False in a user namespace, where a new sysfs needs a network namespace of its own. */
  readonly mayMountSysfs: boolean;
  readonly user: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] };
  /** False in a user namespace of one user, where the kernel leaves its groups as they are. */
  readonly maySetGroups: boolean;
  readonly workdir: string;
  readonly env: readonly (readonly [string, string])[];
  readonly argv: readonly string[];
  /** In what it differs from other containers of the same step. */
  readonly variation?: Pick<Variation, 'lastPid' | 'cpus' | 'umask'> | undefined;
  /** Decide in which order its directories are listed. */
  readonly names?: OrderedNames | undefined;
}
