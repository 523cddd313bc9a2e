/** Where the program of native/ is: beside the bundle in dist/, for this machine's architecture. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { IsolationError } from '../util/errors.js';

/** Name of the program for an architecture of process.arch. */
export function binaryName(architecture: string): string {
  return `wiac-sys-${architecture}`;
}

/** @throws IsolationError when there is none for this machine */
export function getBinary(): string {
  const name = binaryName(process.arch);
  // The second when this runs from src/, in tests.
  const places = [name, `../../dist/${name}`].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const found = places.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new IsolationError(`there is no ${name} beside ${fileURLToPath(import.meta.url)}`, {
    hint: 'wiac runs on x64 and arm64; in a clone of its repository: npm run build',
  });
}
