/** What is said to be wasteful, and what is not. */
import { describe, expect, test } from '@jest/globals';
import type { BuildEvent } from '../../src/engine/events.js';
import { EVENTS_VERSION } from '../../src/engine/events.js';
import type { TreeEntry } from '../../src/fs/scan/tree.js';
import type { DefinitionKey } from '../../src/keys/digest.js';
import type { StepId } from '../../src/plan/step.js';
import { adviceFor } from '../../src/ui/advice.js';
import { openBuildView } from '../../src/ui/build-view.js';
import type { Explanation } from '../../src/why/explain.js';
import { getStep } from '../support/steps.js';

const id = (name: string) => name as StepId;
const key = 'k' as DefinitionKey;
const NEW: Explanation = { kind: 'new' };

function changed(path: string): Explanation {
  const before = { name: 'x', type: 'symlink', target: 'b', mode: 0o777 } as TreeEntry;
  const change = { change: 'removed', path, before } as const;
  return { kind: 'different', entry: key, difference: { kind: 'file', change } };
}

const AGAIN: Explanation = {
  kind: 'different',
  entry: key,
  difference: { kind: 'parent', index: 0, before: key, after: key },
};

/** What one hears of a build of two steps. */
interface Told {
  readonly copyWhy?: Explanation;
  readonly runWhy?: Explanation;
  readonly seconds?: number;
  readonly bytes?: number;
}

function advised(copy: string, run: string, told: Told): string | undefined {
  const { copyWhy = changed('src/a.ts'), runWhy = NEW, seconds = 1, bytes = 10 } = told;
  const { view, add } = openBuildView();
  const steps = [
    getStep('copy', 'c', { text: copy, from: undefined }),
    getStep('run', 'r', { text: run, parent: id('c') }),
  ];
  const end = { type: 'finished', durationMs: seconds * 1000, files: 1, bytes, linked: 0 } as const;
  const events: BuildEvent[] = [
    { type: 'planned', version: EVENTS_VERSION, steps },
    { type: 'started', step: id('c'), key, why: copyWhy },
    { type: 'started', step: id('r'), key, why: runWhy },
    { ...end, step: id('c') },
    { ...end, step: id('r') },
  ];
  for (const event of events) add(event, 0);
  return adviceFor(view);
}

describe('advice', () => {
  test.each<[string, string, Told, RegExp]>([
    ['COPY . .', 'RUN npm ci', {}, /^\[0 2\/2\] installs again .* because \[0 1\/2\] copies/],
    ['COPY --chown=1:1 ./ /app', 'RUN set -e; pip install -r x', {}, /installs again/],
    ['COPY . .', 'RUN make', { copyWhy: changed('.git/index') }, /^\[0 1\/2\] ran because .*\.git/],
    ['COPY a a', 'RUN make', { copyWhy: changed('a/node_modules/x/y') }, /node_modules into/],
    ['COPY a a', 'RUN chown -R 1 /srv', { bytes: 5e7 }, /has 50 MB .* COPY --chown/],
    ['COPY a a', 'RUN chmod -fR a+x /srv && x', { bytes: 5e7 }, /COPY --chmod/],
    ['COPY a a', 'RUN npm ci', { runWhy: AGAIN, seconds: 30 }, /type=cache,target=\/root\/\.npm/],
  ])('%s, %s', (copy, run, told, wanted) => {
    expect(advised(copy, run, told)).toMatch(wanted);
  });

  test.each<[string, string, Told]>([
    ['COPY package.json .', 'RUN npm ci', {}],
    ['COPY . .', 'RUN npm run build', {}],
    ['COPY . .', 'RUN npm ci', { copyWhy: NEW }],
    ['COPY . .', 'RUN make', { copyWhy: changed('.gitignore') }],
    ['COPY a a', 'RUN chown -R 1 /srv', { bytes: 5e5 }],
    ['COPY a a', 'RUN chown 1 /srv', { bytes: 5e7 }],
    ['COPY a a', 'RUN make && chown -R 1 /srv', { bytes: 5e7 }],
    ['COPY a a', 'RUN npm ci', { seconds: 30 }],
    ['COPY a a', 'RUN npm ci', { runWhy: AGAIN }],
    ['COPY a a', 'RUN apk add x', { runWhy: AGAIN, seconds: 30 }],
    ['COPY a a', 'RUN --mount=type=cache,target=/n npm ci', { runWhy: AGAIN, seconds: 30 }],
  ])('none for %s, %s', (copy, run, told) => {
    expect(advised(copy, run, told)).toBeUndefined();
  });
});
