/** What an OCI runtime says of its own failures, in its log (`--log-format=json`), and what crun puts there. Pure. */

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

/** So much of a terminal crun reads at a time; it ends each part with a line feed of its own. */
const PART = 255;
const LINE_FEED = 10;

function isEntry(line: string): boolean {
  try {
    return typeof (JSON.parse(line) as { level?: unknown }).level === 'string';
  } catch {
    return false;
  }
}

/**
 * What a program wrote to its terminal when it ended before crun passed its output on: crun logs it then, as the
 * last thing it does, in place of printing it.
 */
export function loggedOutput(log: Buffer): Buffer {
  // One that was killed did not write to its end.
  if (log.at(-1) !== LINE_FEED) return log.subarray(0, 0);
  let start = 0;
  for (let end = log.indexOf('\n'); end !== -1; end = log.indexOf('\n', start)) {
    if (!isEntry(log.toString('utf8', start, end))) break;
    start = end + 1;
  }
  const parts: Buffer[] = [];
  for (let at = start; at < log.length; at += PART + 1)
    parts.push(log.subarray(at, Math.min(at + PART, log.length - 1)));
  return Buffer.concat(parts);
}
