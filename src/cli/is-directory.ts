import { statSync } from 'node:fs';

/** Does the command line name a directory? */
export function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
