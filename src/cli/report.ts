/** Writes an error to stderr in the form the command line asked for. */
import { MAX_TEXT } from '../dockerfile/expand.js';
import type { ProgressMode } from '../ui/progress.js';
import { describeError, errorLocation } from '../ui/report-error.js';
import type { WiacError } from '../util/errors.js';
import { StepFailedError } from '../util/errors.js';
import { readSettings } from '../util/regular-file.js';

/** `wiac run` passes its program's exit code on; its own errors get Docker's code for that. */
const RUN_EXIT_CODE = 125;

function sourceLines(file: string): string[] | undefined {
  try {
    return readSettings(file, MAX_TEXT).toString().split(/\r?\n/);
  } catch {
    // Standard input, or a file that is gone: the message has its line all the same.
    return undefined;
  }
}

/** `json`: an event of --progress=json; `github`: a workflow command of --progress=github. */
export type ErrorForm = 'text' | 'json' | 'github';

/** The form that goes with a progress. */
export function errorForm(progress: ProgressMode): ErrorForm {
  if (progress === 'json' || progress === 'rawjson') return 'json';
  return progress === 'github' ? 'github' : 'text';
}

/**
 * @param command that was run
 * @returns the exit code of the process
 */
export async function reportError(
  error: WiacError,
  command: string | undefined,
  form: ErrorForm,
): Promise<number> {
  const location = errorLocation(error);
  const lines = location && sourceLines(location.file);
  if (form === 'json') {
    const { code, message, hint } = error;
    const step =
      error instanceof StepFailedError
        ? { stepExitCode: error.stepExitCode, lastLines: error.lastLines }
        : {};
    process.stderr.write(
      `${JSON.stringify({ type: 'error', code, message, hint, location, ...step })}\n`,
    );
  } else if (form === 'github') {
    const [{ githubError }, { githubSettings }] = await Promise.all([
      import('../ui/github.js'),
      import('../ui/progress.js'),
    ]);
    githubError(
      githubSettings((text) => void process.stderr.write(text)),
      error,
      lines,
    );
  } else process.stderr.write(describeError(error, lines));
  return command === 'run' ? RUN_EXIT_CODE : error.exitCode;
}
