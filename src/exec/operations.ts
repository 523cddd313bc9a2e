/**
 * The operations that enter.pl carries out, as data: what happens on the way into a container can
 * be built by pure functions, compared in tests, and shown to people.
 */
import { IsolationError } from '../errors.js';

/** One operation; the names are those of the system calls where there is one. */
export type Operation =
  /** SIGKILL when the process that started us ends. */
  | { readonly op: 'die-with-parent' }
  /** Errors go where output goes: through one pipe both keep their order. */
  | { readonly op: 'merge-output' }
  | { readonly op: 'unshare'; readonly flags: number }
  /** Continue as pid 1 of a new pid namespace; the parent waits and passes signals on. */
  | { readonly op: 'fork' }
  | {
      readonly op: 'mount';
      readonly source: string;
      readonly target: string;
      readonly type: string;
      readonly flags: number;
      readonly data: string;
    }
  | { readonly op: 'mask'; readonly path: string }
  | { readonly op: 'read-only'; readonly path: string }
  /** `mode` is octal. */
  | { readonly op: 'mkdir'; readonly path: string; readonly mode: string }
  | { readonly op: 'touch'; readonly path: string }
  /** A directory with all above it; nothing happens when it is there. */
  | { readonly op: 'make-path'; readonly path: string }
  /**
   * Makes a file or directory below a mount unless it is there, without following links, and enters
   * the directory that holds it.
   */
  | {
      readonly op: 'mount-point';
      readonly base: string;
      readonly path: string;
      readonly kind: 'file' | 'directory';
    }
  | { readonly op: 'loopback-up' }
  | { readonly op: 'symlink'; readonly target: string; readonly path: string }
  | { readonly op: 'pivot'; readonly root: string }
  | { readonly op: 'chroot'; readonly root: string }
  | { readonly op: 'chdir'; readonly path: string }
  | { readonly op: 'umask'; readonly mask: string }
  | { readonly op: 'hostname'; readonly name: string }
  | {
      readonly op: 'rlimit';
      readonly resource: number;
      readonly soft: number;
      readonly hard: number;
    }
  /** Leaves only these capabilities in the bounding set. */
  | { readonly op: 'capabilities'; readonly keep: readonly number[] }
  | {
      readonly op: 'user';
      readonly uid: number;
      readonly gid: number;
      readonly groups: readonly number[];
    }
  | { readonly op: 'env'; readonly pairs: readonly (readonly [string, string])[] }
  | { readonly op: 'exec'; readonly argv: readonly string[] };

/** mount(2) flags; values of linux/mount.h, the same on all architectures. */
export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  REMOUNT: 32,
  BIND: 4096,
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
    case 'die-with-parent':
    case 'merge-output':
    case 'fork':
    case 'loopback-up':
      return [];
    case 'unshare':
      return [String(operation.flags)];
    case 'mount': {
      const { source, target, type, flags, data } = operation;
      return [source, target, type, String(flags), data];
    }
    case 'mask':
      return [operation.path, '/dev/null'];
    case 'read-only':
    case 'touch':
    case 'make-path':
      return [operation.path];
    case 'mkdir':
      return [operation.path, operation.mode];
    case 'mount-point':
      return [operation.base, operation.path, operation.kind];
    case 'symlink':
      return [operation.target, operation.path];
    case 'pivot':
    case 'chroot':
      return [operation.root];
    case 'chdir':
      return [operation.path];
    case 'umask':
      return [operation.mask];
    case 'hostname':
      return [operation.name];
    case 'rlimit':
      return [operation.resource, operation.soft, operation.hard].map(String);
    case 'capabilities':
      return operation.keep.map(String);
    case 'user':
      return [operation.uid, operation.gid, ...operation.groups].map(String);
    case 'env':
      return operation.pairs.flat();
    case 'exec':
      return [...operation.argv];
  }
}

/**
 * The file format of enter.pl: NUL-terminated fields, each operation with its operand count.
 * @throws IsolationError for a value with a NUL byte: what follows it would be another operation
 */
export function encodeOperations(operations: readonly Operation[]): string {
  const fields: string[] = [];
  for (const operation of operations) {
    const values = operands(operation);
    // Values can be secrets: only the operation is named.
    if (values.some((value) => value.includes('\0'))) {
      throw new IsolationError(`${operation.op}: a value holds a NUL byte`, {
        hint: 'neither a path nor an argument or variable of a program can have one',
      });
    }
    fields.push(operation.op, String(values.length), ...values);
  }
  return `${fields.join('\0')}\0`;
}
