/** How Node's messages begin a path below a directory that is open (fs/directory.ts): the number tells nobody anything. */
const DESCRIPTOR = /'\/proc\/self\/fd\/\d+\//g;

/**
 * The errors wiac raises on purpose. Each class has a stable `code` (for programs and tests) and
 * the exit code of the process (for shells); docs/commands.md documents both. Anything else that is
 * thrown is a bug in wiac and ends the process with exit code 1 and a stack trace.
 */
export abstract class WiacError extends Error {
  abstract readonly code: string;
  /** Exit code of the `wiac` process when this error ends it. */
  abstract readonly exitCode: number;
  /** What the user can do about it, one sentence; shown on a line of its own. */
  readonly hint: string | undefined;

  constructor(message: string, options: { hint?: string | undefined; cause?: unknown } = {}) {
    const legible = message.replace(DESCRIPTOR, "'");
    super(legible, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.hint = options.hint;
  }
}

/** A place in a text file; lines and columns count from 1. `endLine` is inclusive. */
export interface SourceLocation {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
}

/** An error of a place in a file, where that is known. */
abstract class LocatedError<
  Location extends SourceLocation | undefined = SourceLocation | undefined,
> extends WiacError {
  readonly location: Location;

  constructor(
    message: string,
    location: Location,
    options: { hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, options);
    this.location = location;
  }
}

/** A wrong command line: unknown flag, missing operand, contradicting options. */
export class UsageError extends WiacError {
  readonly code = 'USAGE';
  readonly exitCode = 2;
}

/** A wrong Dockerfile or .dockerignore: syntax, unknown stage, cycle ... */
export class DockerfileError extends LocatedError<SourceLocation> {
  readonly code = 'DOCKERFILE';
  readonly exitCode = 3;
}

/** A wrong bake file, compose file or .env: syntax, unknown target, value of the wrong kind ... */
export class BakeFileError extends LocatedError {
  readonly code = 'BAKE_FILE';
  readonly exitCode = 16;
}

/** The build context lacks a file that the Dockerfile copies, or a path leads out of it. */
export class ContextError extends LocatedError {
  readonly code = 'CONTEXT';
  readonly exitCode = 4;
}

/** A step's program ended with an exit code other than 0, or could not be started. */
export class StepFailedError extends WiacError {
  readonly code = 'STEP_FAILED';
  readonly exitCode = 5;
  readonly location: SourceLocation;
  /** Exit code of the step's program (128 + signal number when a signal ended it). */
  readonly stepExitCode: number;
  /** The last lines the program wrote, at most 20. */
  readonly lastLines: readonly string[];
  /** The store's file system was full then, or took no writes: elsewhere the step might do. */
  readonly onBadDisk: boolean;

  constructor(
    message: string,
    location: SourceLocation,
    stepExitCode: number,
    lastLines: readonly string[],
    hint?: string,
    onBadDisk = false,
  ) {
    super(message, { hint });
    this.onBadDisk = onBadDisk;
    this.location = location;
    this.stepExitCode = stepExitCode;
    this.lastLines = lastLines;
  }
}

/** The file system that holds the store (or TMPDIR) is full. */
export class NoSpaceError extends WiacError {
  readonly code = 'NO_SPACE';
  readonly exitCode = 6;
}

/** The store cannot be used: newer format version, damaged, not writable. */
export class StoreError extends WiacError {
  readonly code = 'STORE';
  readonly exitCode = 7;
}

/** What to do where nothing better is known. */
const DOCTOR = 'wiac doctor says what this machine lacks';

/** This machine cannot run a step: not root and no user namespace, missing program, no overlayfs. */
export class IsolationError extends WiacError {
  readonly code = 'ISOLATION';
  readonly exitCode = 8;

  constructor(
    message: string,
    { hint = DOCTOR, cause }: { hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, { hint, cause });
  }
}

/** Valid input that this version of wiac does not support; never ignored silently. */
export class UnsupportedError extends LocatedError {
  readonly code = 'UNSUPPORTED';
  readonly exitCode = 9;
}

/** A limit of the system is too low: open files (RLIMIT_NOFILE, /proc/sys/fs/file-max), processes, namespaces, mounts. */
export class LimitError extends WiacError {
  readonly code = 'LIMIT';
  readonly exitCode = 12;
}

/** A name, key or image that was asked for does not exist. */
export class NotFoundError extends WiacError {
  readonly code = 'NOT_FOUND';
  readonly exitCode = 10;
}

/**
 * A lock file is wrong, or an input of a build is not what it says, or is not in it (--locked). The location is in
 * the lock file, or is that of the instruction that needs the input.
 */
export class LockError extends LocatedError {
  readonly code = 'LOCK';
  readonly exitCode = 14;
}

/** Nobody whose key counts has signed an image. The location is that of the instruction that names it. */
export class SignatureError extends LocatedError {
  readonly code = 'SIGNATURE';
  readonly exitCode = 15;
}

/** A queue (--queue) that can't be reached, has no worker for a step, or holds what is none of its messages. */
export class QueueError extends WiacError {
  readonly code = 'QUEUE';
  readonly exitCode = 17;
}

/** The user or the system asked wiac to stop (SIGINT, SIGTERM, SIGHUP). */
export class InterruptedError extends WiacError {
  readonly code = 'INTERRUPTED';
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals, signalNumber: number) {
    super(`stopped by ${signal}`);
    this.exitCode = 128 + signalNumber;
  }
}
