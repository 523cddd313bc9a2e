/**
 * How an image was built, as SLSA provenance v1 (slsa.dev/spec/v1.1/provenance). The members of
 * externalParameters and the two modes are those of BuildKit (docs/attestations/
 * slsa-definitions.md); instead of LLB there are wiac's steps with their keys. Pure.
 */
import type { SelectionInput } from '../keys/inputs.js';
import { isDigest } from '../oci/blob-digest.js';
import type { Plan } from '../plan/plan.js';
import type { RemoteSource } from '../plan/remote.js';
import type { RunStep, SourceStep, Step, StepId } from '../plan/step.js';
import { isHermetic } from '../plan/step.js';
import { withoutCredentials } from '../util/redact.js';
import { digestSet, imagePurl } from './statement.js';

export const PROVENANCE_TYPE = 'https://slsa.dev/provenance/v1';

/** Says what the other members mean. */
const BUILD_TYPE = 'urn:wiac:build:1';

/** The facts about a resolved step. */
export interface ResolvedStep {
  readonly key: string | undefined;
  /** What COPY selected from a context. */
  readonly files: readonly SelectionInput[];
  /** `sha256:` digest or commit of what ADD fetched. */
  readonly content: string | undefined;
}

/** A source of the network, and what it was: the digest of a file, the commit of a repository. */
export interface FetchedFrom {
  readonly source: RemoteSource;
  readonly content: string;
}

/** What the statement is made from. */
export interface ProvenanceInput {
  readonly plan: Plan;
  readonly mode: 'min' | 'max';
  readonly resolved: (step: StepId) => ResolvedStep;
  /** `digest` is SHA-256 in hex. */
  readonly dockerfile: { readonly path: string; readonly digest: string; readonly text: string };
  /** The lock file that the inputs were taken from. */
  readonly lockFile?: { readonly path: string; readonly digest: string } | undefined;
  /** Where the build context was fetched from, if it was. */
  readonly contextFrom?: FetchedFrom | undefined;
  /** The same of named contexts. */
  readonly namedFrom?: readonly FetchedFrom[];
  /** Names of the contexts that were fetched, '' is the main one. */
  readonly fetchedContexts?: readonly string[];
  /** --build-context, by name. */
  readonly contexts?: Readonly<Record<string, string>>;
  /** Seconds since 1970. */
  readonly epoch?: number | undefined;
  readonly target: string | undefined;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly builderPlatform: string;
  readonly version: string;
  /** Undefined: left out, for builds that are to be reproducible. */
  readonly times: { readonly started: Date; readonly finished: Date } | undefined;
}

function imageDependency({ reference, digest, platform }: SourceStep) {
  if (digest === undefined || !isDigest(digest)) return [];
  const transport = /^(oci-layout|oci-archive|docker-archive|containers-storage):/.test(reference);
  const plain = reference.replace(/^docker(-image)?:\/\//, '');
  return [{ uri: transport ? reference : imagePurl(plain, platform), digest: digestSet(digest) }];
}

/** The address of a source: of a repository with its branch or tag. */
function sourceUri(source: RemoteSource): string {
  const { url } = source;
  return source.type === 'git' && source.ref !== undefined ? `${url}#${source.ref}` : url;
}

/** The same with the directory of the repository that the build context is. */
function contextUri(source: RemoteSource): string {
  if (source.type !== 'git' || source.subdirectory === '') return sourceUri(source);
  return `${source.url}#${source.ref ?? ''}:${source.subdirectory}`;
}

function remoteDependency({ source, content }: FetchedFrom) {
  const uri = sourceUri(source);
  if (source.type === 'http') return { uri, digest: isDigest(content) ? digestSet(content) : {} };
  const isSha256 = content.length === SHA256_DIGITS;
  return { uri, digest: isSha256 ? { sha256: content } : { sha1: content } };
}

const SHA256_DIGITS = 64;

/** Images, downloads and contexts from the network that went into the build, each once. */
function dependencies({ plan, resolved, contextFrom, namedFrom = [] }: ProvenanceInput) {
  const found = plan.steps.flatMap((step) => {
    if (step.kind === 'source') return imageDependency(step);
    if (step.kind !== 'fetch') return [];
    const { content = step.locked?.content ?? '' } = resolved(step.id);
    return [remoteDependency({ source: step.source, content })];
  });
  const contexts = [...(contextFrom ? [contextFrom] : []), ...namedFrom];
  found.push(...contexts.map(remoteDependency));
  return [...new Map(found.map((item) => [JSON.stringify(item), item])).values()];
}

const isRun = (step: Step): step is RunStep => step.kind === 'run';

/** Ids of the secrets and ssh agents that steps had. The provenance never has their content. */
function credentials(plan: Plan, type: 'secret' | 'ssh') {
  const mounts = plan.steps.filter(isRun).flatMap((step) => step.mounts);
  const found = new Map<string, boolean>();
  for (const mount of mounts) {
    if (mount.type !== type) continue;
    found.set(mount.id, (found.get(mount.id) ?? true) && !mount.required);
  }
  return [...found].map(([id, optional]) => ({ id, ...(optional ? { optional } : {}) }));
}

function request(input: ProvenanceInput) {
  const { plan, mode, target, buildArgs, labels, contexts = {}, contextFrom } = input;
  const prefixed = (prefix: string, pairs: Readonly<Record<string, string>>) =>
    // Pushing the image publishes this: a password in a URL must not be part of it.
    Object.entries(pairs).map(([name, value]): [string, string] => [
      `${prefix}:${name}`,
      withoutCredentials(value),
    ]);
  const own: [string, string][] = [['platform', plan.platform]];
  if (target !== undefined) own.push(['target', target]);
  const all = [
    ...own,
    ...prefixed('build-arg', buildArgs),
    ...prefixed('label', labels),
    ...prefixed('context', contexts),
  ];
  return {
    frontend: 'dockerfile.v0',
    args: Object.fromEntries(mode === 'max' ? all : own),
    locals: contextFrom ? [] : [{ name: 'context' }, { name: 'dockerfile' }],
    ...(mode === 'max'
      ? { secrets: credentials(plan, 'secret'), ssh: credentials(plan, 'ssh') }
      : {}),
  };
}

/** The DAG: what was done, on what, and under which key the cache has it. */
function steps({ plan, resolved }: ProvenanceInput) {
  return plan.steps.map((step) => {
    const { key, files } = resolved(step.id);
    const keyed = step.kind !== 'meta' && step.kind !== 'source';
    return {
      id: step.id,
      kind: step.kind,
      stage: step.stage,
      platform: step.platform,
      text: withoutCredentials(step.text),
      inputs: [step.parent, ...step.reads].filter((id) => id !== undefined),
      ...(step.kind === 'run' ? { hermetic: isHermetic(step) } : {}),
      ...(keyed && key !== undefined ? { key } : {}),
      // A step that makes no layer is resolved to the one before it, whose files are not its own.
      ...(keyed && files.length > 0
        ? { files: files.map(({ path, tree }) => ({ path, digest: { wiacTree: tree } })) }
        : {}),
    };
  });
}

/** The Dockerfile, as BuildKit writes it; pushing the image publishes it, so without passwords. */
function sourceInfo({ path, text }: ProvenanceInput['dockerfile']) {
  const data = Buffer.from(withoutCredentials(text)).toString('base64');
  return { source: { infos: [{ filename: path, language: 'Dockerfile', data }] } };
}

/** Does every file come from an input that resolvedDependencies names? */
function isComplete({ plan, fetchedContexts = [] }: ProvenanceInput): boolean {
  return plan.steps.every(
    (step) =>
      step.kind !== 'copy' || step.from !== undefined || fetchedContexts.includes(step.context),
  );
}

function internalParameters(input: ProvenanceInput) {
  const { mode, builderPlatform, lockFile, epoch } = input;
  return {
    builderPlatform,
    ...(epoch === undefined ? {} : { sourceDateEpoch: epoch }),
    ...(lockFile === undefined
      ? {}
      : { lockFile: { path: lockFile.path, digest: { sha256: lockFile.digest } } }),
    ...(mode === 'max' ? { buildConfig: { steps: steps(input) } } : {}),
  };
}

/** The predicate of an image's provenance. */
export function provenance(input: ProvenanceInput): unknown {
  const { plan, mode, dockerfile, contextFrom, version, times } = input;
  const hermetic = plan.steps.filter(isRun).every(isHermetic);
  const { path, digest } = dockerfile;
  return {
    buildDefinition: {
      buildType: BUILD_TYPE,
      externalParameters: {
        configSource: {
          ...(contextFrom ? { uri: contextUri(contextFrom.source) } : {}),
          path,
          digest: { sha256: digest },
        },
        request: request(input),
      },
      internalParameters: internalParameters(input),
      resolvedDependencies: dependencies(input),
    },
    runDetails: {
      builder: { id: 'urn:wiac', version: { wiac: version } },
      metadata: {
        ...(times === undefined
          ? {}
          : {
              startedOn: times.started.toISOString(),
              finishedOn: times.finished.toISOString(),
            }),
        buildkit_hermetic: hermetic,
        buildkit_completeness: {
          request: mode === 'max',
          resolvedDependencies: isComplete(input),
        },
        ...(mode === 'max' ? { buildkit_metadata: sourceInfo(dockerfile) } : {}),
      },
    },
  };
}
