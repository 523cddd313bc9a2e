/** What an OCI runtime says of its own failures, in its log (`--log-format=json`). Pure. */

/** Why there was no container. */
export interface RuntimeFailure {
  readonly message: string;
  /** As a shell reports it, when it was the program that could not be started; else undefined. */
  readonly code: 126 | 127 | undefined;
}

const NOT_FOUND = /executable file .*not found|no such file or directory/i;
const NOT_EXECUTABLE = /permission denied|exec format error|is a directory/i;

function codeFor(message: string): RuntimeFailure['code'] {
  // "exec: ..." is runc's, "exec container process" and "executable file" are crun's.
  if (!/\bexec(utable|:| container process)/.test(message)) return undefined;
  if (NOT_FOUND.test(message)) return 127;
  return NOT_EXECUTABLE.test(message) ? 126 : undefined;
}

/** @returns the last error of the log; undefined when there is none */
export function runtimeFailure(log: string): RuntimeFailure | undefined {
  const errors = log.split('\n').flatMap((line): string[] => {
    try {
      const { level, msg } = JSON.parse(line) as { level?: string; msg?: string };
      return level === 'error' && msg !== undefined ? [msg] : [];
    } catch {
      // An empty line, or what a killed runtime did not write to its end.
      return [];
    }
  });
  const message = errors.at(-1);
  return message === undefined ? undefined : { message, code: codeFor(message) };
}
