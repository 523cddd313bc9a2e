/** Builds and checks within the test's own process: a fifth of the time of a command. */

import { buildDockerfile } from '../../src/engine/build-dockerfile.js';
import type { BuildQueue } from '../../src/engine/build-queue.js';
import type { BuildEvent } from '../../src/engine/events.js';
import { exportResult } from '../../src/engine/exports/export-result.js';
import { parseOutput } from '../../src/engine/exports/output-spec.js';
import type { BuildRequest } from '../../src/engine/run-build.js';
import { createHash64 } from '../../src/fs/scan/hash64.js';
import { closeStore, openStore } from '../../src/store/store.js';
import { checkFiles } from '../../src/store/verify/check-files.js';
import { checkIndex, treeCheck } from '../../src/store/verify/check-index.js';
import type { Finding } from '../../src/store/verify/finding.js';
import { verifyStore } from '../../src/store/verify/verify-store.js';

/** What an in-process build left. */
export interface Built {
  readonly lowerdirs: string;
  /** Texts of the steps that ran, in the order in which they began. */
  readonly ran: readonly string[];
  /** How many steps workers began. */
  readonly placed: number;
  /** Lines that programs wrote. */
  readonly output: readonly string[];
  /** What became of its steps and when, ms: for messages of tests. */
  readonly story: readonly string[];
}

/** What is not as in a build without options. */
export interface HereOptions {
  readonly names?: readonly string[];
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly executor?: BuildRequest['executor'];
  /** Its steps go there. */
  readonly queue?: BuildQueue;
  readonly cacheFrom?: readonly string[];
  readonly cacheTo?: readonly string[];
  readonly secrets?: Readonly<Record<string, string>>;
  /** As --output has it. */
  readonly output?: string;
  readonly signal?: AbortSignal;
  /** Gets each line that a program writes. */
  readonly onOutput?: (line: string) => void;
}

function storyOf(event: BuildEvent): string {
  if (event.type === 'warning') return event.message;
  const {
    step = '',
    key = '',
    pid = '',
  }: { step?: unknown; key?: string; pid?: unknown } = 'step' in event ? event : {};
  return `${event.type} ${step} ${key.slice(0, 16)} ${pid}`.trimEnd();
}

/** Builds as `wiac build` does. */
export async function buildHere(
  root: string,
  path: string,
  options: HereOptions = {},
): Promise<Built> {
  // The disk is not what these tests are about.
  const store = await openStore(root, 'none');
  const events: BuildEvent[] = [];
  const story: string[] = [];
  const { names, buildArgs, queue, cacheFrom, cacheTo, secrets = {}, signal } = options;
  try {
    const result = await buildDockerfile(store, {
      context: path,
      names,
      buildArgs,
      executor: queue?.executor ?? options.executor,
      inSlot: queue?.inSlot,
      cacheFrom,
      cacheTo,
      secret: (id) => (secrets[id] === undefined ? undefined : Buffer.from(secrets[id])),
      jobs: 2,
      signal,
      onEvent: (event) => {
        events.push(event);
        story.push(`${Date.now() % 1_000_000} ${storyOf(event)}`);
        if (event.type === 'output') options.onOutput?.(event.text);
      },
    });
    if (options.output !== undefined)
      await exportResult(store, result, { outputs: [parseOutput(options.output)], names: [] });
    const { lowerdirs, named } = result;
    const texts = new Map(named.plan.steps.map(({ id, text }) => [id, text]));
    // A worker may have had it.
    const had = new Set(
      events.flatMap((event) => (event.type === 'finished' && event.cached ? [event.step] : [])),
    );
    const ran = events.flatMap((event) =>
      event.type === 'started' && !had.has(event.step) ? [texts.get(event.step) ?? ''] : [],
    );
    const placed = events.filter(({ type }) => type === 'placed').length;
    const output = events.flatMap((event) => (event.type === 'output' ? [event.text] : []));
    return { lowerdirs, ran, placed, output, story };
  } finally {
    await closeStore(store);
  }
}

/** What `wiac cache verify` finds without reading a layer. */
export async function inspectHere(root: string): Promise<readonly Finding[]> {
  const store = await openStore(root, 'none');
  try {
    return [...checkFiles(store), ...checkIndex(store, treeCheck(store))];
  } finally {
    await closeStore(store);
  }
}

/** What `wiac cache verify` finds. */
export async function verifyHere(root: string): Promise<readonly Finding[]> {
  const store = await openStore(root, 'none');
  try {
    return (await verifyStore(store, undefined, false, await createHash64())).findings;
  } finally {
    await closeStore(store);
  }
}
