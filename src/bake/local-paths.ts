/** What a bake file asks of this machine: paths outside of the working directory, entitlements. */
import { posix } from 'node:path';
import type { BakeTarget, Entry, Fields } from './bake-target.js';

/** `scheme://`, `git@host:`, `github.com/OWNER/NAME`, and what is no place at all. */
const ELSEWHERE =
  /^(?:[a-z][a-z0-9+.-]*:\/\/|git@|[\w.-]+@[\w.-]+:|github\.com\/[^/]+\/|target:|service:|docker-image:|oci-archive:|docker-archive:)/i;

/** Is it a path of this machine? */
export function isLocalPath(text: string): boolean {
  return !ELSEWHERE.test(text);
}

/** `cwd://PATH` is a path below the working directory of the command. */
export function withoutScheme(path: string): string {
  return path.startsWith('cwd://') ? path.slice('cwd://'.length) || '.' : path;
}

/** The Dockerfile of a target as a path, if it is one of this machine. */
export function dockerfilePath(fields: Fields): string | undefined {
  const { context = '.', dockerfile = 'Dockerfile' } = fields;
  if (dockerfile.startsWith('cwd://')) return withoutScheme(dockerfile);
  const directory = withoutScheme(context);
  if (!isLocalPath(directory) || !isLocalPath(dockerfile)) return undefined;
  return posix.isAbsolute(dockerfile) ? dockerfile : posix.join(directory, dockerfile);
}

/** Something that `--allow` grants. */
export type Wish =
  | { readonly kind: 'network.host' | 'security.insecure' | 'ssh' }
  | { readonly kind: 'fs.read' | 'fs.write'; readonly path: string };

function attribute(entries: readonly Entry[] | undefined, type: string[], name: string): string[] {
  return (entries ?? [])
    .filter((entry) => type.includes(entry.get('type') ?? ''))
    .flatMap((entry) => entry.get(name) ?? []);
}

function isDefined(value: string | undefined): value is string {
  return value !== undefined;
}

function readPaths(fields: Fields): string[] {
  const { context = '.', contexts = new Map(), secret = [], ssh = [] } = fields;
  const inline = fields['dockerfile-inline'] !== undefined;
  const named = [...contexts.values()].flatMap((value) => {
    const text = value ?? '';
    const archive = /^(?:oci-layout:\/\/|oci-archive:|docker-archive:)([^@]*)/.exec(text)?.[1];
    return archive ?? withoutScheme(text);
  });
  return [
    withoutScheme(context),
    ...named,
    ...[inline ? undefined : dockerfilePath(fields)].filter(isDefined),
    ...secret.flatMap((entry) => entry.get('src') ?? []),
    ...ssh.flatMap((entry) => entry.get('paths')?.split(',') ?? []),
    ...attribute(fields['cache-from'], ['local'], 'src'),
  ].filter(isLocalPath);
}

function writePaths(fields: Fields): string[] {
  return [
    ...attribute(fields.output, ['local', 'tar', 'oci', 'docker'], 'dest'),
    ...attribute(fields['cache-to'], ['local'], 'dest'),
  ].filter((path) => path !== '-');
}

/** All that a target asks for, whether it needs to be granted or not. */
export function wishesOf({ fields }: Pick<BakeTarget, 'fields'>): Wish[] {
  const { entitlements = [], ssh = [] } = fields;
  const usesAgent = ssh.some((entry) => !entry.has('paths'));
  return [
    ...(['network.host', 'security.insecure'] as const)
      .filter((kind) => entitlements.includes(kind))
      .map((kind) => ({ kind })),
    ...(usesAgent ? [{ kind: 'ssh' as const }] : []),
    ...readPaths(fields).map((path) => ({ kind: 'fs.read' as const, path })),
    ...writePaths(fields).map((path) => ({ kind: 'fs.write' as const, path })),
  ];
}
