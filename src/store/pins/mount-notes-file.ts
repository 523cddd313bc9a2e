/** Where a store keeps what it knows of the snapshots of its cache mounts: a file for each, which nothing depends on. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryPath } from '../layers/layer-store.js';
import type { StorePaths } from '../paths.js';

type WithPaths = { readonly paths: StorePaths };

function notesPath({ paths }: WithPaths, name: string): string {
  return join(paths.mountNotes, `${name}.json`);
}

/** @returns undefined when there are none */
export function readMountNotes(store: WithPaths, name: string): string | undefined {
  try {
    return readFileSync(notesPath(store, name), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** They are there as a whole, or as they were before. */
export function writeMountNotes(store: WithPaths, name: string, text: string): void {
  mkdirSync(store.paths.mountNotes, { recursive: true, mode: 0o700 });
  const temporary = temporaryPath(store.paths);
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, notesPath(store, name));
}

/** With a mount go its notes. */
export function removeMountNotes(store: WithPaths, name: string): void {
  rmSync(notesPath(store, name), { force: true });
}
