/**
 * Places between two effects, where the crash test kills wiac (test/e2e/crash.test.ts). The bundle
 * that users get is built with WIAC_CHECKPOINTS=false: there the function is empty, and esbuild
 * leaves its calls out.
 */
import { appendFileSync, readFileSync } from 'node:fs';

/** Set by esbuild; not defined where the sources are run as they are. */
declare const WIAC_CHECKPOINTS: boolean;

/** `what:state`; the state names the work that is done already. */
export type Checkpoint =
  | 'store:probed'
  | 'store:indexed'
  | 'store:drafted'
  | 'lease:taken'
  | 'lease:released'
  | 'draft:begun'
  | 'copy:linked'
  | 'copy:copied'
  | 'run:prepared'
  | 'run:ended'
  | 'fetch:downloaded'
  | 'fetch:moved'
  | 'mount:filled'
  | 'mount:placed'
  | 'layer:made'
  | 'layer:renamed'
  | 'layer:linked'
  | 'trees:written'
  | 'entry:published'
  | 'draft:removed'
  | 'pull:unpacked'
  | 'pull:published'
  | 'blob:written'
  | 'blob:placed'
  | 'blob:published'
  | 'usage:written'
  | 'sync:done'
  | 'sync:noted'
  | 'image:published'
  | 'remove:unlisted'
  | 'remove:unlinked'
  | 'recover:unlisted';

/** Notes the passage in a file; ends the process at the one that is asked for, `NAME@COUNT`. */
function pass(name: Checkpoint, log: string, crashAt: string | undefined): void {
  appendFileSync(log, `${name}\n`);
  const [wanted, count] = crashAt?.split('@') ?? [];
  if (name !== wanted) return;
  const passages = readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => line === name);
  if (passages.length >= Number(count)) process.kill(process.pid, 'SIGKILL');
}

/** A place where a process may be killed; does nothing outside of the crash test. */
export function checkpoint(name: Checkpoint): void {
  if (typeof WIAC_CHECKPOINTS === 'undefined' || !WIAC_CHECKPOINTS) return;
  const { WIAC_TEST_CHECKPOINTS, WIAC_TEST_CRASH_AT } = process.env;
  if (WIAC_TEST_CHECKPOINTS) pass(name, WIAC_TEST_CHECKPOINTS, WIAC_TEST_CRASH_AT);
}
