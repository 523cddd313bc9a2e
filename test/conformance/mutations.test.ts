/**
 * 10,000 Dockerfiles that are nearly right: those of the conformance suite with a few random
 * changes. Whatever comes out, the parser, the linter and the compiler give a result or a typed
 * error with a place in the file. More with MUTATIONS=100000.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { checkDockerfile } from '../../src/check/check-dockerfile.js';
import { parseDockerfile } from '../../src/dockerfile/parse-dockerfile.js';
import { compile } from '../../src/plan/compile.js';
import type { PlanOptions } from '../../src/plan/plan.js';
import { DockerfileError, UnsupportedError } from '../../src/util/errors.js';

const ROOT = join(process.cwd(), 'test/conformance');
const RUNS = Number(process.env.MUTATIONS ?? 10_000);

const SEEDS = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('/Dockerfile'))
  .sort()
  .map((path) => readFileSync(join(ROOT, path), 'utf8'));

/** Pieces that mean something to a Dockerfile. */
const PIECES = [
  ...['\\\n', '\n', '\r\n', '<<EOF', '\nEOF\n', '$', '${', '}', '${x:-', '"', "'", '[', ']', ','],
  ...['#', '`', '=', '--from=', '--mount=', '--chown=', '--chmod=', ' AS ', 'FROM ', 'ONBUILD '],
  ...['\0', '\u{1F433}', '\ufeff', '\\', '*', '**', '/', '..', ':', '@', 'scratch', '0', '-1'],
];

/** Places are fractions, so that they fit any text. */
type Mutation =
  | { readonly kind: 'insert'; readonly at: number; readonly piece: string }
  | { readonly kind: 'delete' | 'repeat'; readonly at: number; readonly length: number }
  | { readonly kind: 'swap'; readonly at: number; readonly with: number };

const place = fc.double({ min: 0, max: 1, noNaN: true });
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({
    kind: fc.constant('insert' as const),
    at: place,
    piece: fc.oneof(fc.constantFrom(...PIECES), fc.string({ unit: 'binary', maxLength: 3 })),
  }),
  fc.record({
    kind: fc.constantFrom('delete' as const, 'repeat' as const),
    at: place,
    length: fc.integer({ min: 1, max: 20 }),
  }),
  fc.record({ kind: fc.constant('swap' as const), at: place, with: place }),
);

function mutate(text: string, change: Mutation): string {
  const at = Math.floor(change.at * text.length);
  if (change.kind === 'insert') return text.slice(0, at) + change.piece + text.slice(at);
  if (change.kind !== 'swap') {
    const rest = text.slice(change.kind === 'delete' ? at + change.length : at);
    return text.slice(0, change.kind === 'delete' ? at : at + change.length) + rest;
  }
  const lines = text.split('\n');
  const [one, two] = [change.at, change.with].map((part) => Math.floor(part * (lines.length - 1)));
  const [first = '', second = ''] = [lines[one ?? 0], lines[two ?? 0]];
  return lines
    .map((line, index) => (index === one ? second : index === two ? first : line))
    .join('\n');
}

const OPTIONS: PlanOptions = {
  buildArgs: { V: 'given' },
  target: undefined,
  platform: 'linux/arm64',
  buildPlatform: 'linux/amd64',
  labels: {},
  network: 'default',
  resources: { extraHosts: [], shmSize: 1, ulimits: [] },
  allowed: [],
  contexts: new Map([['more', { kind: 'directory' }]]),
  image: (reference) => ({
    reference,
    digest: `sha256:${'0'.repeat(64)}`,
    config: { Env: ['PATH=/bin'], WorkingDir: '/', OnBuild: ['RUN echo <<EOF\nx\nEOF'] },
    history: [],
  }),
};

/** True when the text was compiled, false when it was refused as it should be. */
function isCompiled(text: string): boolean {
  try {
    const dockerfile = parseDockerfile(text, 'Dockerfile');
    checkDockerfile(dockerfile, { ...OPTIONS, ignores: () => true });
    const plan = compile(dockerfile, OPTIONS);
    expect(plan.steps.some(({ id }) => id === plan.target)).toBe(true);
    return true;
  } catch (error) {
    const isTyped = error instanceof DockerfileError || error instanceof UnsupportedError;
    if (!isTyped || error.location === undefined) throw error;
    const { line, endLine, column } = error.location;
    expect(line >= 1 && endLine >= line && column >= 1).toBe(true);
    expect(line).toBeLessThanOrEqual(text.split('\n').length);
    return false;
  }
}

test(`${RUNS} mutated Dockerfiles`, () => {
  const results = { compiled: 0, refused: 0 };
  fc.assert(
    fc.property(
      fc.constantFrom(...SEEDS),
      fc.array(mutation, { minLength: 1, maxLength: 4 }),
      (seed, mutations) => {
        const compiled = isCompiled(mutations.reduce(mutate, seed));
        results[compiled ? 'compiled' : 'refused'] += 1;
      },
    ),
    { numRuns: RUNS },
  );
  // Both must be common, or the mutations test nothing.
  expect(Math.min(results.compiled, results.refused)).toBeGreaterThan(RUNS / 10);
});
