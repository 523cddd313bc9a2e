/** What fails because of this machine, so that the step may do on another one. */
import { StepFailedError, WiacError } from '../util/errors.js';

/** Codes of errors that are this machine's. */
const CODES: ReadonlySet<string> = new Set(['NO_SPACE', 'STORE', 'ISOLATION', 'LIMIT', 'IMAGE']);

/**
 * A step reads and writes nothing of a worker's machine but its store: what the system itself refuses there, as of a
 * store that somebody has removed, is not the step's doing.
 */
function isOfSystem(error: unknown): boolean {
  return (Object(error) as NodeJS.ErrnoException).syscall !== undefined;
}

/** Another worker may do better. Pure. */
export function isOwnTrouble(error: unknown): boolean {
  if (error instanceof StepFailedError) return error.onBadDisk;
  return error instanceof WiacError ? CODES.has(error.code) : isOfSystem(error);
}
