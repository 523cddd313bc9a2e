/**
 * A build as a provenance of wiac says it was (attest/provenance.ts). The provenance comes from a
 * registry: every member may be missing or of another kind. Pure.
 */
import { ownDigest, remoteIdentity } from '../lock/identify.js';
import type { LockedSource } from '../lock/lock-file.js';
import { lockedValue, sourceKey } from '../lock/lock-file.js';
import { ImageError } from '../oci/image-error.js';
import { formatReference, parseReference } from '../oci/reference.js';
import type { RemoteSource } from '../plan/remote.js';
import { remoteAddress } from '../sources/context-source.js';

/** All that a build is made from, besides the files of a context that is a directory. */
export interface RecordedBuild {
  readonly dockerfile: { readonly name: string; readonly text: string };
  readonly platform: string;
  readonly target: string | undefined;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Named contexts that are images, stages, or of the network. */
  readonly contexts: Readonly<Record<string, string>>;
  /** Names of those that were directories or archives of the builder. */
  readonly localContexts: readonly string[];
  /** Where the context was fetched from, and the commit or digest that it had. */
  readonly context: { readonly address: string; readonly content: string } | undefined;
  /** The images, files and commits. */
  readonly sources: readonly LockedSource[];
  /** Seconds since 1970. */
  readonly epoch: number | undefined;
  /** When it was built, seconds since 1970. */
  readonly times: { readonly began: number; readonly ended: number } | undefined;
  /** Digests of the trees that each COPY took, by the id of its step. */
  readonly copied: ReadonlyMap<string, string>;
}

type Members = Readonly<Record<string, unknown>>;

function members(value: unknown): Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Members)
    : {};
}

function list(value: unknown): readonly Members[] {
  return Array.isArray(value) ? value.map(members) : [];
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** The arguments with a prefix, without it. */
function prefixed(args: Members, prefix: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(args).flatMap(([name, value]): [string, string][] =>
      name.startsWith(`${prefix}:`) && typeof value === 'string'
        ? [[name.slice(prefix.length + 1), value]]
        : [],
    ),
  );
}

/** Characters that a URL has as `%40`; what is no such code stays as it is. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const NO_DIGEST =
  'only a build all of whose inputs are named by digest can be repeated: build it again, with wiac lock';

const HEX = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const PURL = /^pkg:docker\/([^@?#]+)(?:@([^?#]+))?(?:\?(.*))?$/;

/** An image by its package URL (purl-spec, type docker). */
function imageSource(uri: string, sha256: string, platform: string): LockedSource {
  const [, name = '', version, qualifiers = ''] = PURL.exec(uri) ?? [];
  const at = version === undefined ? '' : decoded(version);
  const known = new URLSearchParams(qualifiers);
  const [own, digest] = [known.get('platform'), known.get('digest')];
  const tagged = at === '' ? name : `${name}${at.includes(':') ? '@' : ':'}${at}`;
  const named = parseReference(digest === null ? tagged : `${tagged}@${digest}`);
  return {
    kind: 'image',
    name: formatReference(named),
    platform: own ?? platform,
    digest: `sha256:${sha256}`,
    // The Dockerfile may name the index: a claim, which is looked into when the image is opened.
    index: ownDigest(named),
    usedBy: [],
  };
}

/** @throws ImageError for an input that has no digest */
function sourceOf({ uri, digest }: Members, platform: string, title: string): LockedSource {
  const name = text(uri) ?? '';
  const { sha1, sha256 } = members(digest);
  const hash = text(sha1) ?? text(sha256) ?? '';
  if (!HEX.test(hash))
    throw new ImageError(`${title}: ${name || 'an input'} has no digest`, {
      hint: NO_DIGEST,
    });
  if (name.startsWith('pkg:docker/')) return imageSource(name, hash, platform);
  if (/^oci-(?:layout|archive):|^docker-archive:/.test(name))
    return { kind: 'image', name, platform, digest: `sha256:${hash}`, usedBy: [] };
  const [, url = '', ref] = /^([^#]*)(?:#(.*))?$/s.exec(name) ?? [];
  const isGit = sha1 !== undefined || ref !== undefined || /\.git$/.test(url);
  if (!isGit) return { kind: 'http', name: url, checksum: `sha256:${hash}`, usedBy: [] };
  return { kind: 'git', name: url, ref, commit: hash, usedBy: [] };
}

/**
 * A context that was fetched, as it was then.
 * @throws ImageError for one that is not of the network: a provenance must not name what lies on the
 *   machine that reads it; for one without a digest
 */
function fetchedContext(
  uri: string | undefined,
  sources: readonly LockedSource[],
  title: string,
): RecordedBuild['context'] {
  if (uri === undefined) return undefined;
  const remote = addressOf(uri);
  if (!remote)
    throw new ImageError(`${title} has the build context ${uri}, which is no address`, {
      hint: 'only a context of the web or of a repository can be taken from a provenance',
    });
  const wanted = sourceKey(remoteIdentity(remote));
  const source = sources.find((each) => sourceKey(each) === wanted);
  if (!source)
    throw new ImageError(`${title}: the build context ${uri} has no digest`, { hint: NO_DIGEST });
  const content = lockedValue(source);
  if (remote.type === 'http') return { address: remote.url, content };
  const directory = remote.subdirectory === '' ? '' : `:${remote.subdirectory}`;
  return { address: `${remote.url}#${content}${directory}`, content };
}

/** A source of the network; undefined for a path, and for what contradicts itself. */
function addressOf(text: string): RemoteSource | undefined {
  try {
    return remoteAddress(text)?.source;
  } catch {
    return undefined;
  }
}

/** Does a value of --build-context mean the same thing on every machine? */
function isOfNoMachine(value: string): boolean {
  // A path in an oci-layout: or archive is one as well, but its image has to have the recorded digest.
  return /^(docker-image|oci-layout|target|oci-archive|docker-archive):/.test(value);
}

/** Named contexts: those that can be taken from a provenance, and the names of the others. */
function namedContexts(recorded: Readonly<Record<string, string>>) {
  const contexts: [string, string][] = [];
  const localContexts: string[] = [];
  for (const [name, value] of Object.entries(recorded)) {
    const remote = addressOf(value);
    if (isOfNoMachine(value)) contexts.push([name, value]);
    // With its scheme: what has none could be the name of a directory.
    else if (remote) contexts.push([name, value.replace(/^(?=github\.com\/)/, 'https://')]);
    else localContexts.push(name);
  }
  return { contexts: Object.fromEntries(contexts), localContexts };
}

function seconds(value: unknown): number | undefined {
  const time = Date.parse(text(value) ?? '');
  return Number.isNaN(time) ? undefined : time / 1000;
}

/**
 * Reads a predicate.
 * @param title what messages call it
 * @throws ImageError when a build can't be repeated from it: another builder, mode=min, an input
 *   without a digest
 */
export function recordedBuild(predicate: unknown, title: string): RecordedBuild {
  const { buildDefinition, runDetails } = members(predicate);
  const { buildType, externalParameters, internalParameters, resolvedDependencies } =
    members(buildDefinition);
  if (buildType !== 'urn:wiac:build:1')
    throw new ImageError(
      `${title} is not one of wiac: ${text(buildType) ?? 'it has no buildType'}`,
      {
        hint: 'only images that wiac has built, with --provenance=mode=max, can be rebuilt so',
      },
    );
  const { configSource, request } = members(externalParameters);
  const args = members(members(request).args);
  const { metadata } = members(runDetails);
  const { source } = members(members(metadata).buildkit_metadata);
  const [info] = list(members(source).infos);
  const data = text(info?.data);
  if (data === undefined)
    throw new ImageError(`${title} does not have the Dockerfile`, {
      hint: 'build the image with --provenance=mode=max',
    });
  const platform = text(args.platform) ?? '';
  const sources = list(resolvedDependencies).map((each) => sourceOf(each, platform, title));
  const { buildConfig, sourceDateEpoch } = members(internalParameters);
  const [began, ended] = [members(metadata).startedOn, members(metadata).finishedOn].map(seconds);
  const steps = list(members(buildConfig).steps);
  return {
    dockerfile: {
      name: text(members(configSource).path) ?? 'Dockerfile',
      text: Buffer.from(data, 'base64').toString(),
    },
    platform,
    target: text(args.target),
    buildArgs: prefixed(args, 'build-arg'),
    labels: prefixed(args, 'label'),
    ...namedContexts(prefixed(args, 'context')),
    context: fetchedContext(text(members(configSource).uri), sources, title),
    sources,
    epoch: typeof sourceDateEpoch === 'number' ? sourceDateEpoch : undefined,
    times: began === undefined || ended === undefined ? undefined : { began, ended },
    copied: new Map(
      steps.flatMap(({ id, files }): [string, string][] => {
        const trees = list(files).map(({ digest }) => text(members(digest).wiacTree) ?? '');
        return typeof id === 'string' && trees.length > 0 ? [[id, trees.join()]] : [];
      }),
    ),
  };
}
