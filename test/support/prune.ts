/** `wiac cache prune` in tests, and what it is about. */
import { join } from 'node:path';
import { getTables } from '../../src/store/index/tables.js';
import { closeStore, openStore } from '../../src/store/store.js';
import type { Machine } from './wiac.js';

export interface PruneReport {
  readonly removed: readonly { kind: string; id: string; text: string; bytes: number }[];
  readonly mounts: readonly { id: string; bytes: number }[];
  readonly freedBytes: number;
  readonly cacheBytes: number;
}

/** A config file that says nothing: those of this machine must not matter. */
export const QUIET = { WIAC_CONFIG: join(process.cwd(), 'test/support/empty-config.json') };

export async function prune(made: Machine, ...flags: string[]): Promise<PruneReport> {
  const args = ['cache', 'prune', '--format=json', ...flags];
  const { exitCode, stdout, stderr } = await made.wiac(args, { env: QUIET });
  if (exitCode !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as PruneReport;
}

/** Texts of the instructions that the cache has entries of. */
export async function texts({ wiac }: Machine): Promise<string[]> {
  const { stdout } = await wiac(['cache', 'ls', '--format=json']);
  return (JSON.parse(stdout) as { text: string }[]).map(({ text }) => text).sort();
}

/** Changes when entries were last used. */
export async function age(
  made: Machine,
  days: number,
  filter: (text: string) => boolean,
): Promise<void> {
  const store = await openStore(made.root);
  const index = getTables(store);
  index.environment.transactionSync(() => {
    for (const { key, value } of [...index.steps.getRange()]) {
      if (filter(value.inputs.text))
        index.usage.putSync(key, { lastUsed: Date.now() - days * 86_400_000, hits: 0 });
    }
  });
  await closeStore(store);
}
