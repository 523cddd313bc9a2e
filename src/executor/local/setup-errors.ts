/** What wiac-sys says of a container that could not be set up, as a typed error with what mends it. */
import { hasNoRoom } from '../../util/disk-room.js';
import { IsolationError, LimitError, NoSpaceError, type WiacError } from '../../util/errors.js';
import { MORE_PROCESSES } from '../../util/open-files.js';

/** Operations that ask the kernel for a namespace. */
const NAMESPACE = /^(?:clone|unshare|open_tree)\b/;

/** strerror(3) of EAGAIN, EMFILE, ENFILE, ENOSPC. */
const NO_PROCESS = /^(?:clone|fork)\b.*Resource temporarily unavailable$/;
const NO_FILE = /Too many open files(?: in system)?$/;
const NO_ROOM = /No space left on device$/;
/**
 * Overlayfs makes a work directory when it is mounted. Without room for it, it fails, or it mounts read-only, which
 * wiac-sys refuses (native/mounts.c). Room may be there again when this is read.
 */
const NO_WORK = /^overlay .*(?:No space left on device|Read-only file system)$/;

/** A limit of the system. The kernel has one error for a full disk, and for too many namespaces or mounts. */
function getLimit(message: string): string | undefined {
  if (NO_PROCESS.test(message)) return MORE_PROCESSES;
  if (NO_FILE.test(message))
    return 'allow more (ulimit -n 1024), or build with fewer steps at a time (--jobs 1)';
  if (!NO_ROOM.test(message)) return undefined;
  return NAMESPACE.test(message)
    ? 'allow more namespaces: sysctl user.max_mnt_namespaces and its like'
    : 'allow more mounts (sysctl fs.mount-max), or free some space: it is one of the two';
}

function getHint(message: string): string | undefined {
  if (/^(clone|unshare|open_tree)\b.*Operation not permitted/.test(message)) {
    return process.geteuid?.() === 0
      ? 'wiac is root, but may not mount: in a container give it --cap-add SYS_ADMIN or --privileged'
      : 'run wiac as root, or allow unprivileged user namespaces on this machine';
  }
  if (/^rlimit .*Operation not permitted/.test(message)) {
    return 'only root may go above the limits of who started wiac (ulimit -Ha shows them): give --ulimit less, or run wiac as root';
  }
  if (/^overlay .*Too many levels of symbolic links/.test(message)) {
    return 'overlayfs takes no layer that is inside of another one, as all are of /: wiac has one in $TMPDIR as well';
  }
  if (/^overlay /.test(message)) {
    return 'overlayfs refused these directories: is the store on overlayfs itself, or a layer missing? see dmesg';
  }
  if (/Function not implemented/.test(message)) {
    return 'wiac needs Linux 5.12 or newer, and nothing that hides its system calls: see wiac doctor';
  }
  return undefined;
}

/**
 * @param what could not be done
 * @param message what failed, and what the kernel said
 * @param upper directory that the container writes to, if any
 */
export function setupError(what: string, message: string, upper: string | undefined): WiacError {
  const text = `${what}: ${message}`;
  const isFull = NO_ROOM.test(message) && !NAMESPACE.test(message);
  if (NO_WORK.test(message) || (isFull && upper !== undefined && hasNoRoom(upper)))
    return new NoSpaceError(`no space left: ${text}`, {
      hint: 'free some space (wiac cache du shows what the cache holds), or set WIAC_ROOT; dmesg says whether the disk has errors',
    });
  const limit = getLimit(message);
  if (limit !== undefined) return new LimitError(text, { hint: limit });
  return new IsolationError(text, { hint: getHint(message) });
}
