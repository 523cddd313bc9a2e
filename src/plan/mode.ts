/** --chmod: octal, or symbolic as chmod(1) has it (Dockerfile reference, COPY --chmod). */

import type { SourceLocation } from '../util/errors.js';
import { DockerfileError } from '../util/errors.js';

/** New permission bits from the old ones. */
export type ModeChange = (mode: number, isDirectory: boolean) => number;

const WHO: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 };

function permissionBits(letters: string, mode: number, isDirectory: boolean): number {
  let bits = 0;
  for (const letter of letters) {
    if (letter === 'r') bits |= 0o444;
    else if (letter === 'w') bits |= 0o222;
    else if (letter === 'x') bits |= 0o111;
    else if (letter === 's') bits |= 0o6000;
    else if (letter === 't') bits |= 0o1000;
    else if (letter === 'X') bits |= isDirectory || (mode & 0o111) !== 0 ? 0o111 : 0;
    else {
      // u, g, o as a permission: a copy of what that class has.
      const shift = letter === 'u' ? 6 : letter === 'g' ? 3 : 0;
      bits |= ((mode >> shift) & 7) * 0o111;
    }
  }
  return bits;
}

function applyClause(
  mode: number,
  who: string,
  operator: string,
  letters: string,
  isDirectory: boolean,
): number {
  let mask = 0;
  for (const letter of who === '' ? 'a' : who) mask |= WHO[letter] ?? 0;
  const bits = permissionBits(letters, mode, isDirectory) & mask;
  if (operator === '+') return mode | bits;
  if (operator === '-') return mode & ~bits;
  // `=` leaves setuid and setgid of directories alone, as chmod(1) does.
  const kept = isDirectory ? mode & 0o6000 : 0;
  return (mode & ~mask) | bits | kept;
}

/** @throws DockerfileError when the text is no mode */
export function parseMode(text: string, location: SourceLocation): ModeChange {
  if (/^[0-7]+$/.test(text)) {
    const mode = Number.parseInt(text, 8);
    if (mode <= 0o7777) return () => mode;
    throw new DockerfileError(`--chmod=${text} is more than 07777`, location, {
      hint: 'write at most four octal digits, such as 0755',
    });
  }
  const clauses = text.split(',').map((clause) => {
    const match = /^([ugoa]*)((?:[+\-=](?:[ugo]|[rwxXst]*))+)$/.exec(clause);
    if (!match) {
      throw new DockerfileError(`--chmod=${text} is not a mode`, location, {
        hint: 'write it in octal (0755) or symbolic (u=rwx,go=rx)',
      });
    }
    const actions = [...(match[2] ?? '').matchAll(/([+\-=])([ugo]|[rwxXst]*)/g)];
    return { who: match[1] ?? '', actions };
  });
  return (mode, isDirectory) => {
    let result = mode;
    for (const { who, actions } of clauses) {
      for (const [, operator = '', letters = ''] of actions) {
        result = applyClause(result, who, operator, letters, isDirectory);
      }
    }
    return result;
  };
}
