/** Writes an error to stderr in the form the command line asked for. */
import { readFileSync } from 'node:fs';
import { describeError, errorLocation } from '../ui/report-error.js';
import type { WiacError } from '../util/errors.js';
import { StepFailedError } from '../util/errors.js';

/** `wiac run` passes its program's exit code on; its own errors get Docker's code for that. */
const RUN_EXIT_CODE = 125;

function sourceLines(file: string): string[] | undefined {
  try {
    return readFileSync(file, 'utf8').split(/\r?\n/);
  } catch {
    // Standard input, or a file that is gone: the message has its line all the same.
    return undefined;
  }
}

/**
 * @param command that was run
 * @param json whether it is to be an event of --progress=json
 * @returns the exit code of the process
 */
export function reportError(error: WiacError, command: string | undefined, json: boolean): number {
  const location = errorLocation(error);
  if (json) {
    const { code, message, hint } = error;
    const step =
      error instanceof StepFailedError
        ? { stepExitCode: error.stepExitCode, lastLines: error.lastLines }
        : {};
    process.stderr.write(
      `${JSON.stringify({ type: 'error', code, message, hint, location, ...step })}\n`,
    );
  } else process.stderr.write(describeError(error, location && sourceLines(location.file)));
  return command === 'run' ? RUN_EXIT_CODE : error.exitCode;
}
