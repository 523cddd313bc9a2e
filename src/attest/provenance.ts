/**
 * How an image was built, as SLSA provenance v1 (slsa.dev/spec/v1.1/provenance). The members of
 * externalParameters and the two modes are those of BuildKit (docs/attestations/
 * slsa-definitions.md); instead of LLB there are wiac's steps with their keys. Pure.
 */
import type { SelectionInput } from '../keys/inputs.js';
import { isDigest } from '../oci/blob-digest.js';
import type { Plan } from '../plan/plan.js';
import type { RunStep, SourceStep, Step, StepId } from '../plan/step.js';
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

/** What the statement is made from. */
export interface ProvenanceInput {
  readonly plan: Plan;
  readonly mode: 'min' | 'max';
  readonly resolved: (step: StepId) => ResolvedStep;
  readonly dockerfile: { readonly path: string; readonly digest: string };
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

/** Images and downloads that went into the build, each once. */
function dependencies({ plan, resolved }: ProvenanceInput) {
  const found = plan.steps.flatMap((step) => {
    if (step.kind === 'source') return imageDependency(step);
    if (step.kind !== 'fetch') return [];
    const { content = '' } = resolved(step.id);
    const { source } = step;
    const uri = source.url;
    if (source.type === 'http')
      return [{ uri, digest: isDigest(content) ? digestSet(content) : {} }];
    const ref = source.ref === undefined ? '' : `#${source.ref}`;
    return [
      {
        uri: `${uri}${ref}`,
        digest: content.length === 64 ? { sha256: content } : { sha1: content },
      },
    ];
  });
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
  const { plan, mode, target, buildArgs, labels } = input;
  const prefixed = (prefix: string, pairs: Readonly<Record<string, string>>) =>
    // Pushing the image publishes this: a password in a URL must not be part of it.
    Object.entries(pairs).map(([name, value]): [string, string] => [
      `${prefix}:${name}`,
      withoutCredentials(value),
    ]);
  const own: [string, string][] = [['platform', plan.platform]];
  if (target !== undefined) own.push(['target', target]);
  const all = [...own, ...prefixed('build-arg', buildArgs), ...prefixed('label', labels)];
  return {
    frontend: 'dockerfile.v0',
    args: Object.fromEntries(mode === 'max' ? all : own),
    locals: [{ name: 'context' }, { name: 'dockerfile' }],
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
      ...(keyed && key !== undefined ? { key } : {}),
      ...(files.length > 0
        ? { files: files.map(({ path, tree }) => ({ path, digest: { wiacTree: tree } })) }
        : {}),
    };
  });
}

/** The predicate of an image's provenance. */
export function provenance(input: ProvenanceInput): unknown {
  const { plan, mode, dockerfile, builderPlatform, version, times } = input;
  const hermetic = plan.steps.filter(isRun).every(({ network }) => network === 'none');
  const contexts = plan.steps.some((step) => step.kind === 'copy' && step.from === undefined);
  return {
    buildDefinition: {
      buildType: BUILD_TYPE,
      externalParameters: {
        configSource: { path: dockerfile.path, digest: { sha256: dockerfile.digest } },
        request: request(input),
      },
      internalParameters: {
        builderPlatform,
        ...(mode === 'max' ? { buildConfig: { steps: steps(input) } } : {}),
      },
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
        buildkit_completeness: { request: mode === 'max', resolvedDependencies: !contexts },
      },
    },
  };
}
