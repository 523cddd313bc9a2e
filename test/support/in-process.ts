/** Builds and checks within the test's own process: a fifth of the time of a command. */
import { build } from '../../src/build/build.js';
import type { BuildEvent } from '../../src/build/events.js';
import { createHash64 } from '../../src/build/hash64.js';
import { closeStore, openStore } from '../../src/cache/store.js';
import { openInput } from '../../src/cli/build-input.js';
import { planDockerfile } from '../../src/cli/dockerfile-input.js';
import { checkFiles } from '../../src/verify/check-files.js';
import { checkIndex, treeCheck } from '../../src/verify/check-index.js';
import type { Finding } from '../../src/verify/finding.js';
import { verifyStore } from '../../src/verify/verify.js';

/** What an in-process build left. */
export interface Built {
  readonly lowerdirs: string;
  /** Texts of the steps that ran, in the order in which they began. */
  readonly ran: readonly string[];
}

const NOTHING = {
  buildArg: [],
  addHost: [],
  ulimit: [],
  allow: [],
  buildContext: [],
} as const;

/** Builds as `wiac build` does. @param buildArg `name=value` */
export async function buildHere(
  root: string,
  path: string,
  options: { readonly names?: readonly string[]; readonly buildArg?: readonly string[] } = {},
): Promise<Built> {
  const { names = [], buildArg = [] } = options;
  // The disk is not what these tests are about.
  const store = await openStore(root, 'none');
  const events: BuildEvent[] = [];
  try {
    const { signal } = new AbortController();
    const workspace = { scratch: () => root, limits: store.limits, signal };
    const input = await openInput(path, NOTHING, workspace);
    const planned = await planDockerfile({ ...NOTHING, buildArg }, store, input, signal);
    try {
      const { lowerdirs } = await build({
        ...planned,
        store,
        isolation: 'namespaces',
        limits: {},
        skipsCache: () => false,
        secret: () => undefined,
        sshAgent: () => undefined,
        cacheFrom: [],
        cacheTo: [],
        jobs: 2,
        names,
        keepImage: names.length > 0,
        emit: (event) => events.push(event),
        signal,
      });
      const texts = new Map(planned.plan.steps.map(({ id, text }) => [id, text]));
      const ran = events.flatMap((event) =>
        event.type === 'started' ? [texts.get(event.step) ?? ''] : [],
      );
      return { lowerdirs, ran };
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
