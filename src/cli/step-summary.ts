/** Adds to the page that GitHub shows of a job ($GITHUB_STEP_SUMMARY). */
import { appendFileSync, statSync } from 'node:fs';
import { getMessage } from '../oci/image-error.js';

/** GitHub takes nothing of a step's summary when it is larger: 1 MiB. */
const MAX_BYTES = 1024 * 1024;

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/**
 * Appends as much as GitHub takes beside what is there: whole lines, and what was left out.
 * @returns what went wrong; a build does not fail for it
 */
export function appendSummary(path: string, markdown: string): string | undefined {
  if (markdown === '') return undefined;
  try {
    const note = '\nThe rest is left out: GitHub takes 1 MiB.\n';
    const room = MAX_BYTES - sizeOf(path) - Buffer.byteLength(note);
    const bytes = Buffer.from(markdown);
    if (bytes.length <= room) appendFileSync(path, bytes);
    else if (room > 0) {
      const end = bytes.lastIndexOf('\n', room);
      appendFileSync(path, Buffer.concat([bytes.subarray(0, Math.max(end, 0)), Buffer.from(note)]));
    }
    return undefined;
  } catch (error) {
    return `the summary was not written: ${getMessage(error)}`;
  }
}
