/** Finds the paths of a source that a wildcard means. */

import type { statSync } from 'node:fs';
import { lstatSync } from 'node:fs';
import type { SourceLocation } from '../errors.js';
import { DockerfileError } from '../errors.js';
import { compilePattern, hasWildcard } from './gomatch.js';
import type { FileSource } from './source.js';

function escapeGlob(component: string): string {
  return component.replace(/[\\*?[\]{}()!+@|]/g, '\\$&');
}

/**
 * fast-glob finds candidates that are a superset of what the pattern means (a component with any
 * wildcard becomes `*`); Go's rules then decide.
 */
export async function expandWildcard(
  source: FileSource,
  pattern: string,
  location: SourceLocation,
): Promise<string[]> {
  const compiled = compilePattern(pattern);
  if (!compiled.ok) {
    throw new DockerfileError(`${pattern} is not a pattern: ${compiled.reason}`, location, {
      hint: 'write a backslash before a character that is meant literally',
    });
  }
  const { default: fastGlob } = await import('fast-glob');
  const candidate = pattern
    .split('/')
    .map((part) => (part === '**' ? '**' : hasWildcard(part) ? '*' : escapeGlob(part)))
    .join('/');
  const toSource = (path: string) => path.replace(/^\/+/, '');
  const host = (path: string) => source.locate(toSource(path));
  const missing = (path: string) => Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
  const lstat = (path: string) => {
    const found = host(path);
    if (found === undefined) throw missing(path);
    return lstatSync(found);
  };
  const found = fastGlob.sync(candidate, {
    cwd: '/',
    dot: true,
    onlyFiles: false,
    followSymbolicLinks: false,
    fs: {
      lstatSync: lstat as typeof lstatSync,
      statSync: lstat as typeof statSync,
      readdirSync: ((path: string) => {
        const { names, hostPath } = source.list(toSource(path));
        return names.map((name) => {
          const stats = lstatSync(hostPath(name));
          return Object.assign(Object.create(stats) as object, {
            name,
            isDirectory: () => stats.isDirectory(),
            isFile: () => stats.isFile(),
            isSymbolicLink: () => stats.isSymbolicLink(),
            isBlockDevice: () => stats.isBlockDevice(),
            isCharacterDevice: () => stats.isCharacterDevice(),
            isFIFO: () => stats.isFIFO(),
            isSocket: () => stats.isSocket(),
          });
        });
      }) as never,
    },
  });
  return found
    .map(toSource)
    .filter((path) => compiled.matches(path))
    .sort();
}
