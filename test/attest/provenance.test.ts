/** The provenance of a build: what goes into it, and what must not. */
import { describe, expect, test } from '@jest/globals';
import type { ProvenanceInput, ResolvedStep } from '../../src/attest/provenance.js';
import { provenance } from '../../src/attest/provenance.js';
import { digestSet, imagePurl, imageStatement } from '../../src/attest/statement.js';
import type { Digest } from '../../src/oci/resolved-image.js';
import type { Plan } from '../../src/plan/plan.js';
import type { Step, StepId } from '../../src/plan/step.js';
import { getStep } from '../support/steps.js';

const HEX = 'a'.repeat(64);
const MANIFEST = `sha256:${HEX}` as Digest;

function getInput(steps: Step[], more: Partial<ProvenanceInput> = {}): ProvenanceInput {
  const resolved = (): ResolvedStep => ({ key: 'k', files: [], content: undefined });
  return {
    plan: { platform: 'linux/amd64', steps, target: steps.at(-1)?.id as StepId } as unknown as Plan,
    mode: 'max',
    resolved,
    dockerfile: { path: 'Dockerfile', digest: HEX, text: 'FROM x\n' },
    target: undefined,
    buildArgs: {},
    labels: {},
    builderPlatform: 'linux/amd64',
    version: '1',
    times: undefined,
    ...more,
  };
}

// biome-ignore lint/suspicious/noExplicitAny: the predicate is JSON of any shape
const predicate = (...args: Parameters<typeof getInput>): any => provenance(getInput(...args));

const base = getStep('source', 's1', { reference: 'debian:12', digest: MANIFEST });
const run = (members: object) =>
  getStep('run', 's2', { mounts: [], network: 'default', ...members });

test('files are those of the COPY, not of the ENV behind it', () => {
  const files = [{ path: 'a', tree: HEX }] as never;
  const copy = getStep('copy', 's1', { from: undefined });
  const meta = getStep('meta', 's2', {});
  const made = predicate([copy, meta], {
    resolved: () => ({ key: 'k', files, content: undefined }),
  });
  const { steps } = made.buildDefinition.internalParameters.buildConfig;
  expect(steps.map((step: { files?: unknown }) => step.files)).toEqual([
    [{ path: 'a', digest: { wiacTree: HEX } }],
    undefined,
  ]);
});

describe('resolvedDependencies', () => {
  const dependencies = (steps: Step[], more: Partial<ProvenanceInput> = {}) =>
    predicate(steps, more).buildDefinition.resolvedDependencies;

  test('an image once, however many stages begin with it; scratch is none', () => {
    const again = getStep('source', 's2', { reference: 'debian:12', digest: MANIFEST });
    const scratch = getStep('source', 's3', { reference: 'scratch', digest: undefined });
    expect(dependencies([base, again, scratch])).toEqual([
      { uri: 'pkg:docker/debian@12?platform=linux%2Famd64', digest: { sha256: HEX } },
    ]);
  });

  test.each([
    [`debian:12@${MANIFEST}`, `pkg:docker/debian@12?digest=${MANIFEST}&platform=linux%2Famd64`],
    [`debian@${MANIFEST}`, `pkg:docker/debian?digest=${MANIFEST}&platform=linux%2Famd64`],
  ])('%s has its tag and its digest', (reference, uri) => {
    const step = getStep('source', 's1', { reference, digest: MANIFEST });
    expect(dependencies([step])).toMatchObject([{ uri }]);
  });

  test('an image of a layout keeps its reference', () => {
    const layout = getStep('source', 's1', { reference: 'oci-layout://x:1', digest: MANIFEST });
    expect(dependencies([layout])).toMatchObject([{ uri: 'oci-layout://x:1' }]);
  });

  test.each([
    ['a'.repeat(40), { sha1: 'a'.repeat(40) }],
    [HEX, { sha256: HEX }],
  ])('a commit %s', (content, digest) => {
    const source = { type: 'git', url: 'https://example.org/r.git', ref: 'main' };
    const step = getStep('fetch', 's1', { source: source as never });
    const resolved = () => ({ key: 'k', files: [], content });
    expect(dependencies([step], { resolved })).toEqual([
      { uri: 'https://example.org/r.git#main', digest },
    ]);
  });

  test('contexts of the network, and what a lock file says of a fetch that was not looked for', () => {
    const url = 'https://example.org/r.git';
    const git = { type: 'git', url, ref: 'main', subdirectory: 'docs' } as never;
    const http = { type: 'http', url: 'https://example.org/x' } as never;
    const locked = { content: MANIFEST, by: 'D.lock' };
    const step = getStep('fetch', 's1', { source: http, locked });
    const contextFrom = { source: git, content: 'c'.repeat(40) };
    const namedFrom = [{ source: http, content: `sha256:${'b'.repeat(64)}` }];
    expect(dependencies([step], { contextFrom, namedFrom })).toEqual([
      { uri: 'https://example.org/x', digest: { sha256: HEX } },
      { uri: 'https://example.org/r.git#main', digest: { sha1: 'c'.repeat(40) } },
      { uri: 'https://example.org/x', digest: { sha256: 'b'.repeat(64) } },
    ]);
    const copy = getStep('copy', 's2', { from: undefined, context: '' });
    const made = predicate([copy], { contextFrom, fetchedContexts: [''] });
    expect(made.runDetails.metadata.buildkit_completeness.resolvedDependencies).toBe(true);
    expect(made.buildDefinition.externalParameters.configSource).toEqual({
      uri: 'https://example.org/r.git#main:docs',
      path: 'Dockerfile',
      digest: { sha256: HEX },
    });
    expect(made.buildDefinition.externalParameters.request.locals).toEqual([]);
  });

  test('all that a second build needs: lock file, epoch, contexts, and with mode=max the Dockerfile', () => {
    const lockFile = { path: 'Dockerfile.lock', digest: HEX };
    const contexts = { more: 'https://u:p@example.org/x.tar' };
    const made = (mode: 'min' | 'max') => predicate([base], { mode, lockFile, contexts, epoch: 7 });
    const { buildDefinition, runDetails } = made('max');
    expect(buildDefinition.internalParameters).toMatchObject({
      sourceDateEpoch: 7,
      lockFile: { path: 'Dockerfile.lock', digest: { sha256: HEX } },
    });
    expect(buildDefinition.externalParameters.request.args).toMatchObject({
      'context:more': 'https://example.org/x.tar',
    });
    const [info] = runDetails.metadata.buildkit_metadata.source.infos;
    expect(info).toMatchObject({ filename: 'Dockerfile', language: 'Dockerfile' });
    expect(Buffer.from(info.data, 'base64').toString()).toBe('FROM x\n');
    expect(made('min').runDetails.metadata.buildkit_metadata).toBeUndefined();
  });

  test('they are not complete when a step reads a context', () => {
    const complete = (steps: Step[]) =>
      predicate(steps).runDetails.metadata.buildkit_completeness.resolvedDependencies;
    expect(complete([base, getStep('copy', 's2', { from: base.id })])).toBe(true);
    expect(complete([base, getStep('copy', 's2', { from: undefined })])).toBe(false);
  });
});

describe('the request', () => {
  const request = (steps: Step[], more: Partial<ProvenanceInput> = {}) =>
    predicate(steps, more).buildDefinition.externalParameters.request;
  const values = { buildArgs: { URL: 'https://me:pass@x.org/' }, labels: { a: 'b' }, target: 't' };

  test('mode=min has neither arguments nor labels nor secrets nor steps', () => {
    const min = predicate([base], { ...values, mode: 'min' });
    expect(request([base], { ...values, mode: 'min' })).toEqual({
      frontend: 'dockerfile.v0',
      args: { platform: 'linux/amd64', target: 't' },
      locals: [{ name: 'context' }, { name: 'dockerfile' }],
    });
    expect(min.buildDefinition.internalParameters).toEqual({ builderPlatform: 'linux/amd64' });
  });

  test('a password in an argument is left out', () => {
    const { args } = request([base], values);
    expect(args['label:a']).toBe('b');
    expect(args['build-arg:URL']).toContain('x.org');
    expect(JSON.stringify(args)).not.toContain('pass');
  });

  test('secrets by their ids, optional when no step requires them', () => {
    const secret = (id: string, required: boolean) => ({ type: 'secret', id, required });
    const steps = [
      run({ mounts: [secret('a', false), secret('b', false), secret('c', true)] }),
      run({
        id: 's3',
        mounts: [
          secret('a', true),
          secret('c', false),
          { type: 'ssh', id: 'default', required: false },
        ],
      }),
    ];
    expect(request(steps)).toMatchObject({
      secrets: [{ id: 'a' }, { id: 'b', optional: true }, { id: 'c' }],
      ssh: [{ id: 'default', optional: true }],
    });
    for (const id of ['a', 'c']) expect(request(steps).secrets).toContainEqual({ id });
  });
});

test('steps with their keys; those without a layer have none', () => {
  const step = run({ parent: base.id, text: 'RUN curl https://me:pass@x.org/' });
  const { steps } = predicate([base, step]).buildDefinition.internalParameters.buildConfig;
  expect(steps[0]).not.toHaveProperty('key');
  expect(steps[1]).toMatchObject({ id: 's2', inputs: ['s1'], key: 'k' });
  expect(JSON.stringify(steps)).not.toContain('pass');
});

test('hermetic is a build whose RUN steps have no network', () => {
  const hermetic = (...steps: Step[]) => predicate(steps).runDetails.metadata.buildkit_hermetic;
  expect(hermetic(base, run({ network: 'none' }))).toBe(true);
  expect(hermetic(base, run({ network: 'none' }), run({ network: 'default' }))).toBe(false);
});

test('times are left out of reproducible builds', () => {
  const times = { started: new Date(0), finished: new Date(1000) };
  expect(predicate([base]).runDetails.metadata).not.toHaveProperty('startedOn');
  expect(predicate([base], { times }).runDetails.metadata).toMatchObject({
    startedOn: '1970-01-01T00:00:00.000Z',
    finishedOn: '1970-01-01T00:00:01.000Z',
  });
});

describe('statements', () => {
  test('digests by algorithm, images as package URLs', () => {
    expect(digestSet(MANIFEST)).toEqual({ sha256: HEX });
    expect(imagePurl('localhost:5000/a/b:1', 'linux/arm64')).toBe(
      'pkg:docker/localhost:5000/a/b@1?platform=linux%2Farm64',
    );
  });

  test('an image without a name is called _', () => {
    const descriptor = {
      mediaType: 'm',
      digest: MANIFEST,
      size: 1,
      platform: { os: 'linux', architecture: 'amd64' },
    };
    const subject = (names: string[]) =>
      imageStatement(descriptor as never, names, 'type', {}).subject.map(({ name }) => name);
    expect(subject([])).toEqual(['_']);
    expect(subject(['a:1', 'b:2'])).toEqual([
      'pkg:docker/a@1?platform=linux%2Famd64',
      'pkg:docker/b@2?platform=linux%2Famd64',
    ]);
  });
});
