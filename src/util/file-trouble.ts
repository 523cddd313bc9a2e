/** What the file system refuses, in words: Node's own text is a code, a system call and a path that was told already. */

/** Why, and what to do. */
export interface FileTrouble {
  readonly problem: string;
  readonly hint: string;
}

const SPELLING = 'check the spelling';
const PERMISSIONS = 'change its permissions, or name another one';

const TROUBLES: Readonly<Record<string, FileTrouble>> = {
  ENOENT: { problem: 'there is no such file', hint: SPELLING },
  ENOTDIR: { problem: 'what its path goes through is no directory', hint: SPELLING },
  EISDIR: { problem: 'it is a directory', hint: 'name a file in it' },
  ELOOP: { problem: 'its symbolic links lead in a circle', hint: 'name the file itself' },
  ENAMETOOLONG: { problem: 'its name is too long', hint: SPELLING },
  EACCES: { problem: 'permission denied', hint: PERMISSIONS },
  EPERM: { problem: 'not permitted', hint: PERMISSIONS },
  EEXIST: { problem: 'there is something else in its place', hint: 'name another one' },
  ENOTEMPTY: { problem: 'there is something else in its place', hint: 'name another one' },
  EROFS: { problem: 'its file system is read-only', hint: 'name another one' },
  ENXIO: { problem: 'it is a socket or a device, and no file', hint: 'name a file' },
};

/** Only the file system begins its messages with the code: those of connections and programs do not. */
function isOfFile(error: unknown): error is NodeJS.ErrnoException {
  const { code, message } = Object(error) as NodeJS.ErrnoException;
  return code !== undefined && String(message).startsWith(`${code}: `);
}

/** @returns undefined for an error that says nothing of a single file */
export function fileTrouble(error: unknown): FileTrouble | undefined {
  return isOfFile(error) ? TROUBLES[error.code ?? ''] : undefined;
}

/** The same error in words, with its code, for whoever names the file. */
export function inWords(error: unknown): unknown {
  const trouble = fileTrouble(error);
  if (trouble === undefined) return error;
  const { code } = error as NodeJS.ErrnoException;
  return Object.assign(new Error(trouble.problem, { cause: error }), { code, hint: trouble.hint });
}

/** What to do about an error of inWords. */
export function hintOf(error: unknown): string | undefined {
  const { hint } = Object(error) as { hint?: unknown };
  return typeof hint === 'string' ? hint : fileTrouble(error)?.hint;
}
