/**
 * Names of images. Registry references follow the grammar and the defaults of Docker's
 * distribution/reference; the transports are those of BuildKit and of containers-transports(5).
 */
import { isDigest } from './blob-digest.js';
import { ImageError } from './image-error.js';
import type { Digest } from './resolved-image.js';

/** An image in a registry. At least one of `tag` and `digest` is there; the digest decides. */
export interface RegistryReference {
  readonly kind: 'registry';
  /** `host[:port]`; `docker.io` for Docker Hub. */
  readonly host: string;
  /** Without the host: `library/debian`. */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/** An image in an OCI layout directory: `oci-layout://DIR[:NAME|@DIGEST]`. */
export interface LayoutReference {
  readonly kind: 'oci-layout';
  readonly directory: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/** An image in a tar archive of an OCI layout: `oci-archive:FILE[:NAME]`. */
export interface OciArchiveReference {
  readonly kind: 'oci-archive';
  readonly file: string;
  readonly tag?: string;
}

/** An image in an archive as `docker save` writes it: `docker-archive:FILE[:REF]`. */
export interface DockerArchiveReference {
  readonly kind: 'docker-archive';
  readonly file: string;
  readonly name?: RegistryReference;
}

/** An image in the store of podman and buildah: `containers-storage:NAME`. */
export interface ContainersStorageReference {
  readonly kind: 'containers-storage';
  /** As written: a name, an id or a part of an id, which only the store can tell apart. */
  readonly name: string;
}

export type ImageReference =
  | RegistryReference
  | LayoutReference
  | OciArchiveReference
  | DockerArchiveReference
  | ContainersStorageReference;

const HOST =
  /^(?:\[[0-9a-fA-F:]+\]|(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])(?:\.(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]))*)(?::[0-9]+)?$/;
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
/** distribution/reference: NameTotalLengthMax. */
const MAX_NAME = 255;

function invalid(text: string, why: string, hint?: string): ImageError {
  return new ImageError(`"${text}" is not an image reference: ${why}`, { reference: text, hint });
}

/** The host is what looks like one: Docker's rule for the first component of a name. */
function splitHost(name: string): { host: string; repository: string } {
  const slash = name.indexOf('/');
  const first = slash === -1 ? '' : name.slice(0, slash);
  const isHost = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  if (!isHost) return dockerHub(name);
  const repository = name.slice(slash + 1);
  if (first === 'docker.io' || first === 'index.docker.io') return dockerHub(repository);
  return { host: first, repository };
}

function dockerHub(path: string): { host: string; repository: string } {
  return { host: 'docker.io', repository: path.includes('/') ? path : `library/${path}` };
}

function splitDigest(text: string, whole: string): { rest: string; digest?: Digest } {
  const at = text.indexOf('@');
  if (at === -1) return { rest: text };
  const digest = text.slice(at + 1);
  if (!isDigest(digest))
    throw invalid(whole, `"${digest}" is not a digest`, 'a digest is sha256: and 64 hex digits');
  return { rest: text.slice(0, at), digest };
}

/**
 * Reads a registry reference as Docker does: `debian` is docker.io/library/debian:latest.
 * @throws ImageError
 */
export function parseRegistryReference(text: string): RegistryReference {
  const { rest, digest } = splitDigest(text, text);
  const colon = rest.indexOf(':', rest.lastIndexOf('/') + 1);
  const name = colon === -1 ? rest : rest.slice(0, colon);
  const tag = colon === -1 ? undefined : rest.slice(colon + 1);
  if (name === '') throw invalid(text, 'it has no name');
  if (tag !== undefined && !TAG.test(tag))
    throw invalid(text, `"${tag}" is not a tag`, 'a tag has up to 128 of A-Z a-z 0-9 _ . -');
  if (/^[0-9a-f]{64}$/.test(name))
    throw invalid(text, 'a name of 64 hex digits could be an image id');
  const { host, repository } = splitHost(name);
  if (!HOST.test(host)) throw invalid(text, `"${host}" is not a host name`);
  for (const component of repository.split('/')) {
    if (COMPONENT.test(component)) continue;
    const lower = COMPONENT.test(component.toLowerCase());
    throw invalid(
      text,
      component === '' ? 'it has an empty path component' : `"${component}" is not allowed in it`,
      lower ? 'repository names are lower case' : undefined,
    );
  }
  if (host.length + 1 + repository.length > MAX_NAME)
    throw invalid(text, `it is longer than ${MAX_NAME} characters`);
  const named = tag ?? (digest === undefined ? 'latest' : undefined);
  return {
    kind: 'registry',
    host,
    repository,
    ...(named === undefined ? {} : { tag: named }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** A path ends at the first colon, as in containers-transports(5). */
function splitPath(text: string, whole: string): { path: string; name?: string } {
  const colon = text.indexOf(':');
  const path = colon === -1 ? text : text.slice(0, colon);
  if (path === '') throw invalid(whole, 'it has no path');
  if (colon === -1) return { path };
  const name = text.slice(colon + 1);
  if (name === '') throw invalid(whole, 'nothing follows the colon after the path');
  return { path, name };
}

function parseLayout(text: string, whole: string): LayoutReference {
  const { rest, digest } = splitDigest(text, whole);
  const { path, name } = splitPath(rest, whole);
  return {
    kind: 'oci-layout',
    directory: path,
    ...(name === undefined ? {} : { tag: name }),
    ...(digest === undefined ? {} : { digest }),
  };
}

const TRANSPORTS: readonly (readonly [
  prefix: string,
  parse: (rest: string, whole: string) => ImageReference,
])[] = [
  ['oci-layout://', parseLayout],
  [
    'oci-archive:',
    (rest, whole) => {
      const { path, name } = splitPath(rest, whole);
      return { kind: 'oci-archive', file: path, ...(name === undefined ? {} : { tag: name }) };
    },
  ],
  [
    'docker-archive:',
    (rest, whole) => {
      const { path, name } = splitPath(rest, whole);
      const ref = name === undefined ? {} : { name: parseRegistryReference(name) };
      return { kind: 'docker-archive', file: path, ...ref };
    },
  ],
  ['docker-image://', parseRegistryReference],
  ['docker://', parseRegistryReference],
  [
    'containers-storage:',
    (rest, whole) => {
      if (rest === '') throw invalid(whole, 'it has no name');
      return { kind: 'containers-storage', name: rest };
    },
  ],
];

/**
 * Reads any image reference; text without a transport names an image in a registry.
 * @throws ImageError
 */
export function parseReference(text: string): ImageReference {
  for (const [prefix, parse] of TRANSPORTS)
    if (text.startsWith(prefix)) return parse(text.slice(prefix.length), text);
  return parseRegistryReference(text);
}

/** Is it written with a transport, so that it can be neither a name of the store nor a directory? */
export function hasTransport(text: string): boolean {
  return TRANSPORTS.some(([prefix]) => text.startsWith(prefix));
}

/** Does it name an image of podman or buildah, which is used where it is? */
export function isContainersStorage(text: string): boolean {
  return text.startsWith('containers-storage:');
}

/** Does it name a file or a directory of this machine? */
export function isFileTransport(text: string): boolean {
  return /^(?:oci-layout:\/\/|oci-archive:|docker-archive:)/.test(text);
}

/** A reference in full, so that parseReference gives it back. */
export function formatReference(reference: ImageReference): string {
  const tag = 'tag' in reference && reference.tag !== undefined ? `:${reference.tag}` : '';
  const digest =
    'digest' in reference && reference.digest !== undefined ? `@${reference.digest}` : '';
  switch (reference.kind) {
    case 'registry':
      return `${reference.host}/${reference.repository}${tag}${digest}`;
    case 'oci-layout':
      return `oci-layout://${reference.directory}${tag}${digest}`;
    case 'oci-archive':
      return `oci-archive:${reference.file}${tag}`;
    case 'docker-archive': {
      const name = reference.name === undefined ? '' : `:${formatReference(reference.name)}`;
      return `docker-archive:${reference.file}${name}`;
    }
    case 'containers-storage':
      return `containers-storage:${reference.name}`;
  }
}

/** A registry reference as people write it: without docker.io and library. */
export function familiarReference(reference: RegistryReference): string {
  const full = formatReference(reference);
  if (reference.host !== 'docker.io') return full;
  return full.replace(/^docker\.io\/(?:library\/(?=[^/]+$))?/, '');
}
