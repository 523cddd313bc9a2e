/** `--allow`: what bake files may ask for, beyond reading and writing below the working directory. */
import { posix } from 'node:path';
import { UsageError } from '../util/errors.js';
import type { Wish } from './local-paths.js';

/** What is granted. */
export interface Allowances {
  readonly kinds: ReadonlySet<string>;
  /** Real paths. */
  readonly read: readonly string[];
  readonly write: readonly string[];
}

/** A path without symbolic links, as far as it is there. */
export type RealPath = (path: string) => string;

const HINT = 'network.host, security.insecure, ssh, fs.read=PATH, fs.write=PATH, fs=PATH, *';

/** `*` grants everything. @throws UsageError */
export function parseAllowances(given: readonly string[], realPath: RealPath): Allowances {
  const kinds = new Set<string>();
  const read: string[] = [];
  const write: string[] = [];
  for (const text of given.flatMap((item) => item.split(','))) {
    const at = text.indexOf('=');
    const kind = at === -1 ? text : text.slice(0, at);
    const path = at === -1 ? undefined : text.slice(at + 1);
    if (['network.host', 'security.insecure', 'ssh'].includes(text)) kinds.add(text);
    else if (text === '*') {
      for (const each of ['network.host', 'security.insecure', 'ssh']) kinds.add(each);
      read.push('/');
      write.push('/');
    } else if (['fs', 'fs.read', 'fs.write'].includes(kind) && path) {
      const real = path === '*' ? '/' : realPath(path);
      if (kind !== 'fs.write') read.push(real);
      if (kind !== 'fs.read') write.push(real);
    } else throw new UsageError(`--allow ${text}: not understood`, { hint: HINT });
  }
  return { kinds, read, write };
}

/** Is the path the directory, or below it? */
function isBelow(path: string, directory: string): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`);
}

/**
 * What is asked for and not granted, as --allow has it.
 * @param cwd real path of the working directory, below which everything is granted
 */
export function missingAllowances(
  wishes: readonly Wish[],
  { kinds, read, write }: Allowances,
  cwd: string,
  realPath: RealPath,
): string[] {
  const paths = { 'fs.read': new Set<string>(), 'fs.write': new Set<string>() };
  const others = new Set<string>();
  for (const wish of wishes) {
    if (!('path' in wish)) {
      if (!kinds.has(wish.kind)) others.add(wish.kind);
      continue;
    }
    const granted = [cwd, ...(wish.kind === 'fs.read' ? read : write)];
    // `link/..` is one place for the kernel, and another one for whoever shortens it first.
    for (const path of new Set([wish.path, posix.normalize(wish.path)])) {
      const real = realPath(path);
      if (!granted.some((directory) => isBelow(real, directory))) paths[wish.kind].add(real);
    }
  }
  // What is below another one comes with it.
  const highest = (kind: 'fs.read' | 'fs.write') =>
    [...paths[kind]]
      .filter((path) => ![...paths[kind]].some((other) => other !== path && isBelow(path, other)))
      .map((path) => `${kind}=${path}`);
  return [...others, ...highest('fs.read'), ...highest('fs.write')];
}

/** @throws UsageError which says what to grant */
export function requireAllowed(missing: readonly string[]): void {
  if (missing.length === 0) return;
  throw new UsageError(`the bake file asks for what is not allowed: ${missing.join(', ')}`, {
    hint: `if that is right: ${missing.map((item) => `--allow ${item}`).join(' ')}`,
  });
}
