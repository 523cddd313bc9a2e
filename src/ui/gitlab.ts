/** Logs of GitLab: sections that fold (GitLab's reference, "Job logs": escape codes with a time and a name). */
import { randomBytes } from 'node:crypto';
import type { GroupWriter } from './grouped.js';

const CLEAR = '\u001b[0K';

/** What a program writes is not to begin or end a section. */
function harmless(text: string): string {
  return text.replace(/section_(start|end):/g, 'section-$1:');
}

/** Opens a log. @param now seconds since the epoch */
export function gitlabWriter(write: (text: string) => void, now: () => number): GroupWriter {
  let name = '';
  return {
    text: (text) => write(`${harmless(text)}\n`),
    begin: (title) => {
      name = `wiac_${randomBytes(6).toString('hex')}`;
      write(`${CLEAR}section_start:${now()}:${name}\r${CLEAR}${harmless(title)}\n`);
    },
    end: () => write(`${CLEAR}section_end:${now()}:${name}\r${CLEAR}\n`),
    warn: (message) => write(`wiac: warning: ${harmless(message)}\n`),
  };
}
