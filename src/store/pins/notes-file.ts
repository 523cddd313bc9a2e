/** Where a store keeps what it knows of shared caches: files which nothing depends on. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryPath } from '../layers/layer-store.js';
import type { StorePaths } from '../paths.js';

type WithPaths = { readonly paths: StorePaths };

/** `mountNotes`: of the last snapshot of a cache mount. `cacheNotes`: of the blobs of a repository. */
export type NotesKind = 'mountNotes' | 'cacheNotes';

function notesPath({ paths }: WithPaths, kind: NotesKind, name: string): string {
  return join(paths[kind], name);
}

/** @param name hexadecimal digits @returns undefined when there are none */
export function readNotesFile(store: WithPaths, kind: NotesKind, name: string): Buffer | undefined {
  try {
    return readFileSync(notesPath(store, kind, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

const FULL = new Set(['ENOSPC', 'EDQUOT']);

/** They are there as a whole, or as they were before: also on a full disk. @param name hexadecimal digits */
export function writeNotesFile(
  store: WithPaths,
  kind: NotesKind,
  name: string,
  content: string | Uint8Array,
): void {
  const temporary = temporaryPath(store.paths);
  try {
    mkdirSync(store.paths[kind], { recursive: true, mode: 0o700 });
    writeFileSync(temporary, content, { mode: 0o600 });
    renameSync(temporary, notesPath(store, kind, name));
  } catch (error) {
    rmSync(temporary, { force: true });
    // What was asked for is done: it does not fail for notes.
    if (!FULL.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** With a mount go its notes. @param name hexadecimal digits */
export function removeNotesFile(store: WithPaths, kind: NotesKind, name: string): void {
  rmSync(notesPath(store, kind, name), { force: true });
}
