/**
 * The operations that wiac-sys carries out (native/operations.c), as data: what happens on the way
 * into a container can be built by pure functions, compared in tests, and shown to people.
 */
import { toBytes } from '../../util/byte-string.js';
import { IsolationError } from '../../util/errors.js';
import type { Device } from './devices.js';

/** A file system to be mounted. */
interface Mount {
  readonly source: string;
  readonly type: string;
  readonly flags: number;
  readonly data: string;
}

/** Directories that are mounted as one (kernel documentation, filesystems/overlayfs). */
export interface Overlay {
  /** Absolute paths, topmost first. */
  readonly lower: readonly string[];
  /** Undefined for a view that can't be written to; it needs two lower directories. */
  readonly upper: { readonly directory: string; readonly work: string } | undefined;
  /** Those that name no directory. */
  readonly options: string;
}

/** A path of the container: its symlinks are followed within `root`, the container's root. */
interface Inside {
  readonly root: string;
  readonly path: string;
}

/** What answers for the devices of a control group of version 2. */
export interface DeviceFilter {
  /** Its directory. */
  readonly group: string;
  /** A struct bpf_insn[]. */
  readonly program: Buffer;
  /** Nothing else restricts them: where the kernel has no such programs, there is no container. */
  readonly required: boolean;
}

/** One operation; the names are those of the system calls where there is one. */
export type Operation =
  /**
   * Comes before `clone`: what a process without a mount namespace of its own mounts, the containers that
   * are cloned later have as well. It is gone when wiac-sys ends, and no other process sees it.
   */
  | { readonly op: 'share-mounts' }
  /**
   * The container's first process, in new namespaces, is cloned from wiac-sys, and carries out what
   * follows. SIGKILL ends it with that. `group`: the directory of the control group, of version 2, that
   * it begins in. `written`: a directory that is looked at when it has ended.
   */
  | {
      readonly op: 'clone';
      readonly flags: number;
      readonly group?: string | undefined;
      readonly written?: string | undefined;
      /** The rest of its operations comes later, behind `await`. */
      readonly waits?: boolean;
    }
  /** Waits for the rest of the operations. The last of those that are there before. */
  | { readonly op: 'await' }
  /** Standard input is the container's own /dev/null. */
  | { readonly op: 'null-input' }
  /**
   * Keeps the caller's terminals and files from the program: it gets a terminal of its own (`ptmx`
   * makes it, in the directory `pts`, for the user) and pipes. `always`: a terminal for all three
   * streams, also where the caller has none.
   */
  | {
      readonly op: 'relay-streams';
      readonly ptmx: string;
      readonly pts: string;
      readonly uid: number;
      readonly always: boolean;
    }
  | { readonly op: 'unshare'; readonly flags: number }
  /** Enters a network namespace (setns(2)). */
  | { readonly op: 'join-network'; readonly path: string }
  /** Continue as a child; the parent waits for it and passes signals on. */
  | { readonly op: 'fork' }
  /** Becomes a member of a control group; `path` is its cgroup.procs. */
  | { readonly op: 'join-cgroup'; readonly path: string }
  /**
   * Passes the root of a mount to wiac-sys, which makes its file system read-only for everybody when the
   * container has ended.
   */
  | { readonly op: 'hand-over'; readonly path: string }
  /** A session of its own. */
  | { readonly op: 'session' }
  /** Gives up the caller's keyring, securebits, inheritable and ambient capabilities. */
  | { readonly op: 'drop-inherited' }
  | ({ readonly op: 'mount'; readonly target: string } & Mount)
  | ({ readonly op: 'mount-in' } & Inside & Mount)
  | ({ readonly op: 'overlay'; readonly target: string; readonly flags: number } & Overlay)
  /** Shows a tree of this machine, all its mounts included, with these attributes. */
  | ({ readonly op: 'bind-in'; readonly source: string; readonly attributes: number } & Inside)
  /** Mounts the sysfs of this network namespace; where the kernel makes none, this machine's is shown. */
  | ({ readonly op: 'sysfs-in'; readonly attributes: number } & Inside)
  /** Mounts a directory's mount, with all that is mounted on it, elsewhere. */
  | ({ readonly op: 'move-in'; readonly source: string } & Inside)
  /** Adds attributes to the mount at a path. */
  | { readonly op: 'restrict'; readonly path: string; readonly attributes: number }
  | ({ readonly op: 'mask' } & Inside)
  | ({ readonly op: 'read-only' } & Inside)
  /** `mode` is octal. */
  | { readonly op: 'mkdir'; readonly path: string; readonly mode: string }
  /**
   * A device with the numbers of one of this machine's; where none can be made, that one itself, which
   * is at `source`. `mounted`: as a mount of its own, which works where devices do not.
   */
  | ({ readonly op: 'device'; readonly mounted: boolean } & Device)
  /** Restricts the devices of a control group of version 2; `program` is a struct bpf_insn[]. */
  | ({ readonly op: 'device-filter' } & DeviceFilter)
  | ({ readonly op: 'write' } & MemoryFile)
  /** A directory with all above it; nothing happens when it is there. */
  | { readonly op: 'make-path'; readonly path: string }
  /**
   * Makes a file or directory below a mount unless it is there, without following links, and enters
   * the directory that holds it.
   */
  | {
      readonly op: 'mount-point';
      /** The container's, in which `base` is found. */
      readonly root: string;
      readonly base: string;
      readonly path: string;
      readonly kind: 'file' | 'directory';
    }
  /** Makes empty files, and directories for paths that end with a slash, below one that is empty. */
  | { readonly op: 'names'; readonly directory: string; readonly paths: readonly string[] }
  | { readonly op: 'loopback-up' }
  /** It runs on these CPUs alone. */
  | { readonly op: 'cpus'; readonly cpus: readonly number[] }
  /** The next process of the pid namespace gets the number behind this one, where that can be said. */
  | { readonly op: 'last-pid'; readonly pid: number }
  | { readonly op: 'symlink'; readonly target: string; readonly path: string }
  | { readonly op: 'pivot'; readonly root: string }
  | { readonly op: 'chroot'; readonly root: string }
  | { readonly op: 'chdir'; readonly path: string }
  /** The program's directory: `first` as root, who may enter all of them; `last` as its user, where root may not. */
  | { readonly op: 'workdir'; readonly path: string; readonly attempt: 'first' | 'last' }
  | ({ readonly op: 'chdir-in' } & Inside)
  | { readonly op: 'umask'; readonly mask: string }
  | { readonly op: 'hostname'; readonly name: string }
  | {
      readonly op: 'rlimit';
      readonly resource: number;
      readonly soft: number;
      readonly hard: number;
    }
  /** No program in there gets rights by its setuid bit or its capabilities. */
  | { readonly op: 'no-new-privileges' }
  /** Leaves only these capabilities in the bounding set. */
  | { readonly op: 'capabilities'; readonly keep: readonly number[] }
  /** Keeps a struct sock_filter[] for `seccomp`. */
  | { readonly op: 'seccomp-filter'; readonly filter: Buffer }
  /** Refuses system calls, as the filter says. */
  | { readonly op: 'seccomp' }
  | {
      readonly op: 'user';
      readonly uid: number;
      readonly gid: number;
      /** Undefined: they stay as they are. */
      readonly groups: readonly number[] | undefined;
    }
  | { readonly op: 'env'; readonly pairs: readonly (readonly [string, string])[] }
  | { readonly op: 'exec'; readonly argv: readonly string[] }
  /** In the place of exec, where there is no program to be run. */
  | { readonly op: 'end' };

/** A file that is written on the way into the container. */
export interface MemoryFile {
  readonly path: string;
  readonly content: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * mount(2) flags; values of linux/mount.h, the same on all architectures. The first four are
 * attributes of mount_setattr(2) as well.
 */
export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  BIND: 4096,
  MOVE: 8192,
  REC: 16384,
  PRIVATE: 1 << 18,
  SLAVE: 1 << 19,
} as const;

/** unshare(2) flags; values of linux/sched.h. */
export const CLONE = {
  NEWNS: 0x20000,
  NEWCGROUP: 0x2000000,
  NEWUTS: 0x4000000,
  NEWIPC: 0x8000000,
  NEWPID: 0x20000000,
  NEWNET: 0x40000000,
} as const;

function operands(operation: Operation): string[] {
  switch (operation.op) {
    case 'share-mounts':
    case 'await':
    case 'end':
    case 'null-input':
    case 'fork':
    case 'session':
    case 'drop-inherited':
    case 'loopback-up':
    case 'no-new-privileges':
    case 'seccomp':
      return [];
    case 'relay-streams':
      return [operation.ptmx, operation.pts, String(operation.uid), operation.always ? '1' : ''];
    case 'clone':
      return [
        String(operation.flags),
        operation.group ?? '',
        operation.written ?? '',
        operation.waits ? '1' : '',
      ];
    case 'unshare':
      return [String(operation.flags)];
    case 'mount': {
      const { source, target, type, flags, data } = operation;
      return [source, target, type, String(flags), data];
    }
    case 'overlay': {
      const { target, flags, options, upper, lower } = operation;
      return [target, String(flags), options, upper?.directory ?? '', upper?.work ?? '', ...lower];
    }
    case 'mount-in': {
      const { root, source, path, type, flags, data } = operation;
      return [root, source, path, type, String(flags), data];
    }
    case 'bind-in': {
      const { root, source, path, attributes } = operation;
      return [root, source, path, String(attributes)];
    }
    case 'sysfs-in':
      return [operation.root, operation.path, String(operation.attributes)];
    case 'move-in':
      return [operation.root, operation.source, operation.path];
    case 'restrict':
      return [operation.path, String(operation.attributes)];
    case 'mask':
    case 'read-only':
    case 'chdir-in':
      return [operation.root, operation.path];
    case 'device': {
      const { source, path, kind, major, minor, mode, uid, gid, mounted } = operation;
      const numbers = [major, minor, mode, uid, gid, mounted ? 1 : 0].map(String);
      return [source, path, kind, ...numbers];
    }
    case 'device-filter':
      return [
        operation.group,
        operation.program.toString('hex'),
        ...(operation.required ? ['required'] : []),
      ];
    case 'join-cgroup':
    case 'join-network':
      return [operation.path];
    case 'write': {
      const { path, mode, uid, gid, content } = operation;
      return [path, mode.toString(8), String(uid), String(gid), content.toString('hex')];
    }
    case 'make-path':
    case 'hand-over':
      return [operation.path];
    case 'mkdir':
      return [operation.path, operation.mode];
    case 'mount-point':
      return [operation.root, operation.base, operation.path, operation.kind];
    case 'symlink':
      return [operation.target, operation.path];
    case 'pivot':
    case 'chroot':
      return [operation.root];
    case 'workdir':
      return [operation.path, operation.attempt];
    case 'chdir':
      return [operation.path];
    case 'names':
      return [operation.directory, ...operation.paths];
    case 'cpus':
      return operation.cpus.map(String);
    case 'last-pid':
      return [String(operation.pid)];
    case 'umask':
      return [operation.mask];
    case 'hostname':
      return [operation.name];
    case 'rlimit':
      return [operation.resource, operation.soft, operation.hard].map(String);
    case 'capabilities':
      return operation.keep.map(String);
    case 'seccomp-filter':
      return [operation.filter.toString('hex')];
    case 'user':
      return [operation.uid, operation.gid, ...(operation.groups ?? ['keep'])].map(String);
    case 'env':
      return operation.pairs.flat();
    case 'exec':
      return [...operation.argv];
  }
}

/** What is given to programs as it is written. All else that can have such characters is a path (fromBytes). */
const AS_WRITTEN = new Set<Operation['op']>(['env', 'exec', 'hostname']);

/**
 * As wiac-sys reads them: NUL-terminated fields, each operation with its operand count.
 * @throws IsolationError for a value with a NUL byte: what follows it would be another operation
 */
export function encodeOperations(operations: readonly Operation[]): Buffer {
  const pieces: Buffer[] = [];
  for (const operation of operations) {
    const values = operands(operation);
    // Values can be secrets: only the operation is named.
    if (values.some((value) => value.includes('\0'))) {
      throw new IsolationError(`${operation.op}: a value holds a NUL byte`, {
        hint: 'neither a path nor an argument or variable of a program can have one',
      });
    }
    const fields = `${[operation.op, String(values.length), ...values].join('\0')}\0`;
    pieces.push(AS_WRITTEN.has(operation.op) ? Buffer.from(fields) : toBytes(fields));
  }
  return Buffer.concat(pieces);
}
