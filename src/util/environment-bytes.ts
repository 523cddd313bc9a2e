/** Variables whose values are no text: Node shows U+FFFD for such bytes, and hands that on. */
import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';

/** Names of variables that were not UTF-8 where wiac was started: it starts itself again in a user namespace. */
export const NO_TEXT = 'WIAC_VARIABLES_WITHOUT_TEXT';

/** What Node reads for such bytes. It may also be meant. */
const REPLACEMENT = '\uFFFD';

/** What the kernel has of this process; nothing where there is no /proc. */
function readEnvironment(): Buffer {
  try {
    return readFileSync('/proc/self/environ');
  } catch {
    return Buffer.alloc(0);
  }
}

/** Their names. @param environment of this process, as Node has read it */
export function variablesWithoutText(environment: Readonly<NodeJS.ProcessEnv>): string[] {
  const before = environment[NO_TEXT]?.split(',') ?? [];
  if (!Object.values(environment).some((value) => value?.includes(REPLACEMENT))) return before;
  const entries = readEnvironment().toString('latin1').split('\0');
  const own = entries.filter((entry) => !isUtf8(Buffer.from(entry, 'latin1')));
  return [...before, ...own.map((entry) => entry.slice(0, entry.indexOf('=')))];
}
