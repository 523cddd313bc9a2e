/** What a bake file asks of this machine: paths outside of the working directory, entitlements. */
import { posix } from 'node:path';
import type { BakeTarget, Entry, Fields } from './bake-target.js';
import { linkedTarget } from './bake-target.js';

/** `scheme://`, `git@host:`, `github.com/OWNER/NAME`, and what is no place at all. */
const ELSEWHERE =
  /^(?:[a-z][a-z0-9+.-]*:\/\/|git@|[\w.-]+@[\w.-]+:|github\.com\/[^/]+\/|target:|service:|docker-image:|oci-archive:|docker-archive:)/i;

/** Is it a path of this machine? */
export function isLocalPath(text: string): boolean {
  return !ELSEWHERE.test(text);
}

/** A path of this machine as buildx prints it: without `./`, `..` after a name and a slash at its end. */
export function cleanPath(path: string): string {
  if (!isLocalPath(path)) return path;
  return posix.normalize(path).replace(/(?<=.)\/$/, '');
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

/** Addresses that are never the name of a file: a directory may be called `x:` or `git@x`. */
const URL_ALONE = /^(?:https?|git|ssh):\/\//i;

/** The paths that a context may mean. */
function contextPaths(context: string): string[] {
  const text = withoutScheme(context);
  if (URL_ALONE.test(text)) return [];
  // A repository of this machine.
  if (/^file:\/\//i.test(text) && URL.canParse(text))
    return [text, decodeURIComponent(new URL(text).pathname)];
  return [text];
}

function namedPaths(value: string): string[] {
  if (value.startsWith('docker-image://') || linkedTarget(value) !== undefined) return [];
  const archive = /^(?:oci-layout:\/\/|oci-archive:|docker-archive:)(.*)/s.exec(value)?.[1];
  if (archive === undefined) return contextPaths(value);
  // The path ends at the first colon.
  return [archive.replace(/@sha\d+:[0-9a-f]+$/, '').replace(/:.*/s, '')];
}

function dockerfilePaths(fields: Fields): string[] {
  const { context = '.', dockerfile = 'Dockerfile' } = fields;
  if (fields['dockerfile-inline'] !== undefined || /^https?:\/\//i.test(dockerfile)) return [];
  const isFetched = contextPaths(context).length === 0;
  if (isFetched && !posix.isAbsolute(dockerfile) && !dockerfile.startsWith('cwd://')) return [];
  const path = dockerfilePath(fields) ?? dockerfile;
  // Where there is no Dockerfile, one of these is read.
  const others = dockerfile === 'Dockerfile' ? ['dockerfile', 'Containerfile'] : [];
  return [path, ...others.map((name) => posix.join(posix.dirname(path), name))];
}

/** Without a source the id is the name of a variable or a file. */
function secretPaths(secret: Entry): string[] {
  const path = secret.get('src') ?? (secret.has('env') ? undefined : secret.get('id'));
  return path === undefined ? [] : [path];
}

/** Whose lists a cache takes, and with which private key its own is signed. */
function keyFiles(fields: Fields): string[] {
  const { 'cache-from': from = [], 'cache-to': to = [] } = fields;
  return [
    ...from.flatMap((entry) => entry.get('trust-key') ?? []),
    ...to.flatMap((entry) => entry.get('sign-key') ?? []),
  ];
}

function readPaths(fields: Fields): string[] {
  const { context = '.', contexts = new Map(), secret = [], ssh = [] } = fields;
  return [
    ...contextPaths(context),
    ...[...contexts.values()].flatMap((value) => namedPaths(value ?? '')),
    ...dockerfilePaths(fields),
    ...secret.flatMap(secretPaths),
    ...ssh.flatMap((entry) => entry.get('paths')?.split(',') ?? []),
    ...attribute(fields['cache-from'], ['local'], 'src'),
    ...keyFiles(fields),
  ];
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
