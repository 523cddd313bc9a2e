/**
 * The form of Dockerfile.lock: which images, commits and files a build is made from. One line a
 * source, sorted, so that a diff shows what changed. Pure.
 */

/** Number of the form; another one is refused. */
export const LOCK_VERSION = 1;

/** An image for one platform. */
export interface LockedImage {
  readonly kind: 'image';
  /** The reference in full: `docker.io/library/debian:12`. */
  readonly name: string;
  /** `os/architecture[/variant]`. */
  readonly platform: string;
  /** Digest of the manifest for the platform. */
  readonly digest: string;
  /** Digest of the index, where the image is one of several. */
  readonly index?: string | undefined;
  readonly usedBy: readonly string[];
}

/** A commit of a repository. */
export interface LockedGit {
  readonly kind: 'git';
  /** URL without user, password, query and fragment. */
  readonly name: string;
  /** Branch, tag or commit; undefined: the default branch. */
  readonly ref?: string | undefined;
  readonly commit: string;
  /** The object of an annotated tag, which --checksum may name as well. */
  readonly tag?: string | undefined;
  readonly usedBy: readonly string[];
}

/** A file of the web. */
export interface LockedHttp {
  readonly kind: 'http';
  /** URL without user and password. */
  readonly name: string;
  /** `sha256:` and hex digits. */
  readonly checksum: string;
  readonly usedBy: readonly string[];
}

export type LockedSource = LockedImage | LockedGit | LockedHttp;

/** A lock file. */
export interface LockFile {
  /** Name of the Dockerfile that it belongs to, without its directory. */
  readonly dockerfile: string;
  /** What it was written for, `os/architecture[/variant]` each; stages can have others. */
  readonly platforms: readonly string[];
  /** RUN steps that may have a network in a hermetic build, `stage/step` each. */
  readonly allowNetwork: readonly string[];
  readonly sources: readonly LockedSource[];
}

/** What tells two sources of a lock file apart. */
export type SourceIdentity =
  | Pick<LockedImage, 'kind' | 'name' | 'platform'>
  | Pick<LockedGit, 'kind' | 'name' | 'ref'>
  | Pick<LockedHttp, 'kind' | 'name'>;

/** The same text for the same source; sorted, it is the order of a lock file. */
export function sourceKey(source: SourceIdentity): string {
  const { kind, name } = source;
  const detail = kind === 'image' ? source.platform : kind === 'git' ? (source.ref ?? '') : '';
  return `${kind}\n${name}\n${detail}`;
}

/** What a message calls a source. */
export function describeSource(source: SourceIdentity): string {
  const { kind, name } = source;
  if (kind === 'image') return `image ${name} (${source.platform})`;
  if (kind === 'http') return `file ${name}`;
  return `repository ${name}${source.ref === undefined ? '' : `#${source.ref}`}`;
}

/** What a source is locked to: its digest, its commit. */
export function lockedValue(source: LockedSource): string {
  if (source.kind === 'image') return source.digest;
  return source.kind === 'git' ? source.commit : source.checksum;
}

/** The path of the lock file of a Dockerfile. */
export function lockPath(dockerfile: string): string {
  return `${dockerfile}.lock`;
}

/** By UTF-16 units, as no locale changes it. */
export function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function sourceLine(source: LockedSource): string {
  const { kind, name, usedBy } = source;
  const details =
    kind === 'image'
      ? { platform: source.platform, digest: source.digest, index: source.index }
      : kind === 'git'
        ? { ref: source.ref, commit: source.commit, tag: source.tag }
        : { checksum: source.checksum };
  return JSON.stringify({ [kind]: name, ...details, usedBy: [...usedBy].sort(byText) });
}

/** The text of a lock file. The same sources give the same text. */
export function formatLock({ dockerfile, platforms, allowNetwork, sources }: LockFile): string {
  const sorted = [...sources].sort((a, b) => byText(sourceKey(a), sourceKey(b)));
  const list = (lines: readonly string[]) =>
    lines.length === 0 ? '[]' : `[\n${lines.map((line) => `    ${line}`).join(',\n')}\n  ]`;
  const members = [
    `"version": ${LOCK_VERSION}`,
    `"dockerfile": ${JSON.stringify(dockerfile)}`,
    `"platforms": ${JSON.stringify([...platforms].sort(byText))}`,
    `"allow-network": ${list([...allowNetwork].sort(byText).map((name) => JSON.stringify(name)))}`,
    `"sources": ${list(sorted.map(sourceLine))}`,
  ];
  return `{\n${members.map((member) => `  ${member}`).join(',\n')}\n}\n`;
}
