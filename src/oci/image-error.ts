/** The error of everything that goes wrong with an image outside of the store. */
import { dirname } from 'node:path';
import { types } from 'node:util';
import type { SourceLocation } from '../util/errors.js';
import { WiacError } from '../util/errors.js';
import { fileTrouble } from '../util/file-trouble.js';
import { saysFull } from '../util/no-space.js';

/** Where the trouble was; everything that is known is also in the message. */
export interface ImageErrorContext {
  /** `host[:port]` of the registry. */
  readonly registry?: string | undefined;
  /** The image as messages name it: `docker.io/library/debian:12`, `oci-archive:base.tar`. */
  readonly reference?: string | undefined;
  /** HTTP status of the registry's answer; 404 also for what is not there elsewhere. */
  readonly status?: number | undefined;
  /** The instruction that names the image. */
  readonly location?: SourceLocation | undefined;
}

/** An image cannot be read from, or written to, a registry, a layout or an archive. */
export class ImageError extends WiacError {
  readonly code = 'IMAGE';
  readonly exitCode = 11;
  readonly registry: string | undefined;
  readonly reference: string | undefined;
  readonly status: number | undefined;
  readonly location: SourceLocation | undefined;

  constructor(
    message: string,
    options: ImageErrorContext & { hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, options);
    this.registry = options.registry;
    this.reference = options.reference;
    this.status = options.status;
    this.location = options.location;
  }
}

/** A place does not have a blob that an image, or a list of a cache, in it names: nobody knows since when. */
export class BlobGoneError extends ImageError {}

/** A place has delivered other bytes than those that a digest names, or bytes that are no layer. */
export class BlobDamagedError extends ImageError {}

/** The same error with another message or hint. @param more replaces its members */
export function sayingMore(
  error: ImageError,
  {
    message = error.message,
    ...more
  }: ImageErrorContext & {
    readonly message?: string;
    readonly hint?: string | undefined;
    readonly cause?: unknown;
  },
): ImageError {
  const { hint, registry, reference, status, location, cause } = error;
  return new ImageError(message, { hint, registry, reference, status, location, cause, ...more });
}

/** An error that is told in one line: a warning has no second one for what to do. */
export function withHint({ message, hint }: ImageError): string {
  return hint === undefined ? message : `${message} (${hint})`;
}

/** The message of anything that was thrown; of the file system's in words. */
export function getMessage(error: unknown): string {
  const trouble = fileTrouble(error);
  if (trouble !== undefined) return trouble.problem;
  return types.isNativeError(error) ? error.message : String(error);
}

/** Why a file could not be made: where it is missing, its directory is meant. @param file that of the error, unless it is known */
export function whyUnwritten(cause: unknown, file?: string): string {
  const { code, path = file, syscall } = Object(cause) as NodeJS.ErrnoException;
  if (code !== 'ENOENT' || path === undefined) return getMessage(cause);
  // Directories are made from above: one that can't be made is in a place such as /proc.
  return syscall === 'mkdir'
    ? `nothing can be made in ${dirname(path)}`
    : `there is no directory ${dirname(file ?? path)}`;
}

/** The error for a place that an image, or its files, can't be written to. */
export function cannotWrite(title: string, cause: unknown, reference?: string): ImageError {
  const hint = saysFull(cause) ? 'free some space there, or write it to another place' : undefined;
  return new ImageError(`cannot write ${title}: ${whyUnwritten(cause)}`, {
    reference,
    hint: hint ?? 'write it to a place that is there, and that this user may write to',
    cause,
  });
}
