/** Builds and checks within the test's own process: a fifth of the time of a command. */

import { openInput } from '../../src/cli/build-input.js';
import { planDockerfile } from '../../src/cli/dockerfile-input.js';
import type { BuildEvent } from '../../src/engine/events.js';
import type { BuildRequest } from '../../src/engine/run-build.js';
import { build } from '../../src/engine/run-build.js';
import { localExecutor } from '../../src/executor/local/local-executor.js';
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
  /** Lines that programs wrote. */
  readonly output: readonly string[];
}

const NOTHING = {
  buildArg: [],
  addHost: [],
  ulimit: [],
  allow: [],
  buildContext: [],
} as const;

/** What is not as in a build without options. */
export interface HereOptions {
  readonly names?: readonly string[];
  readonly buildArg?: readonly string[];
  readonly executor?: BuildRequest['executor'];
  readonly secrets?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Gets each line that a program writes. */
  readonly onOutput?: (line: string) => void;
}

/** Builds as `wiac build` does. @param buildArg `name=value` */
export async function buildHere(
  root: string,
  path: string,
  options: HereOptions = {},
): Promise<Built> {
  const {
    names = [],
    buildArg = [],
    secrets = {},
    signal = new AbortController().signal,
  } = options;
  // The disk is not what these tests are about.
  const store = await openStore(root, 'none');
  const events: BuildEvent[] = [];
  try {
    const workspace = { scratch: () => root, limits: store.limits, signal };
    const input = await openInput(path, NOTHING, workspace);
    const planned = await planDockerfile({ ...NOTHING, buildArg }, store, input, signal);
    try {
      const { lowerdirs } = await build({
        ...planned,
        store,
        executor:
          options.executor ??
          ((machine) => localExecutor({ ...machine, isolation: 'namespaces', limits: {} })),
        skipsCache: () => false,
        secret: (id) => (secrets[id] === undefined ? undefined : Buffer.from(secrets[id])),
        sshAgent: () => undefined,
        cacheFrom: [],
        cacheTo: [],
        jobs: 2,
        names,
        keepImage: names.length > 0,
        emit: (event) => {
          events.push(event);
          if (event.type === 'output') options.onOutput?.(event.text);
        },
        signal,
      });
      const texts = new Map(planned.plan.steps.map(({ id, text }) => [id, text]));
      const ran = events.flatMap((event) =>
        event.type === 'started' ? [texts.get(event.step) ?? ''] : [],
      );
      const output = events.flatMap((event) => (event.type === 'output' ? [event.text] : []));
      return { lowerdirs, ran, output };
    } finally {
      await planned.close();
    }
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
