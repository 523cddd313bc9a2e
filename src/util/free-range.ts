/** Ranges of users and groups that a user may be given: subuid(5), subgid(5). */
import { readFileSync } from 'node:fs';

/** Where useradd(8) begins, and how many it gives to each user. */
const FIRST = 100_000;
const COUNT = 65_536;

function endOf(line: string): number {
  const [, first, count] = line.split(':').map(Number);
  return (first ?? 0) + (count ?? 0) || 0;
}

/**
 * A range that nobody has yet, such as `165536-231071`. Users who have one in common can read and change the files of each
 * other's containers.
 * @param files contents of /etc/subuid and /etc/subgid
 */
export function freeRange(files: readonly string[]): string {
  const ends = files.flatMap((text) => text.split('\n')).map(endOf);
  const first = ends.reduce((last, end) => Math.max(last, end), FIRST);
  return `${first}-${first + COUNT - 1}`;
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}

/** One that nobody has on this machine. */
export function readFreeRange(): string {
  return freeRange(['/etc/subuid', '/etc/subgid'].map(readOrEmpty));
}

/** The command that gives a range to a user. */
export function addRange(range: string, user: string): string {
  return `usermod --add-subuids ${range} --add-subgids ${range} ${user}`;
}

/** What gives a user namespace more users. */
export function rangesHint(): string {
  const command = addRange(readFreeRange(), 'USER');
  return `give your user ranges in /etc/subuid and /etc/subgid (${command}), or run wiac as root`;
}

/** For files that belong to others. */
export function strangersHint(): string {
  return `a file of it belongs to somebody who is not in your user namespace: ${rangesHint()}`;
}
