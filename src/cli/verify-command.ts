/** `wiac cache verify` */
import { createHash64 } from '../fs/scan/hash64.js';
import { findEntry } from '../store/entries/cache-queries.js';
import { asStoreError } from '../store/store.js';
import type { Finding } from '../store/verify/finding.js';
import { repairStore } from '../store/verify/repair.js';
import type { Checked, Verification } from '../store/verify/verify-store.js';
import { verifyStore } from '../store/verify/verify-store.js';
import { formatTable } from '../ui/format.js';
import { StoreError } from '../util/errors.js';
import { plural } from '../util/plural.js';
import type { SetExitCode } from './declare/options.js';
import { withStoreAsRoot } from './with-store.js';

/** Options of `wiac cache verify`, as commander gives them. */
export interface VerifyOptions {
  readonly deep: boolean;
  readonly repair: boolean;
  readonly format: 'table' | 'json';
}

function summary({ entries, layers, recorded, blobs, images }: Checked): string {
  const digests = recorded > 0 ? ` (${recorded} had no digest and have one now)` : '';
  return `checked ${plural(entries, 'entry', 'entries')}, ${plural(layers, 'layer')}${digests}, ${plural(blobs, 'blob')}, ${plural(images, 'image')}\n`;
}

function asText({ checked, findings }: Verification): string {
  const head = ['STATE', 'WHAT', 'ID', 'PROBLEM'];
  const rows = findings.map(({ severity, subject, id, problem }) => [
    severity,
    subject,
    id,
    problem,
  ]);
  return (rows.length > 0 ? formatTable([head, ...rows]) : '') + summary(checked);
}

function asJson(
  root: string,
  { checked, findings }: Verification,
  repaired: boolean,
  busy: readonly number[],
): string {
  const plain = findings.map(({ severity, subject, id, problem }) => ({
    severity,
    subject,
    id,
    problem,
  }));
  return `${JSON.stringify({ root, checked, findings: plain, repaired, usedBy: busy }, null, 2)}\n`;
}

/** @throws StoreError when there is damage that was not repaired */
function judge(findings: readonly Finding[], repair: boolean, busy: readonly number[]): void {
  const damaged = findings.filter(({ severity }) => severity === 'damage').length;
  if (busy.length > 0 && findings.length > 0) {
    throw new StoreError(`nothing was repaired: the processes ${busy.join(', ')} use the store`, {
      hint: 'run it again when they have ended',
    });
  }
  if (damaged === 0 || repair) return;
  throw new StoreError(`the store is damaged in ${plural(damaged, 'place')}`, {
    hint: 'wiac cache verify --repair drops what is damaged; the next build makes it again',
  });
}

/** Verifies, reports, repairs if asked to. */
export async function verifyCommand(
  keys: readonly string[],
  options: VerifyOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  await withStoreAsRoot(setExitCode, async (store) => {
    const { paths } = store;
    try {
      const entries = keys.length > 0 ? keys.map((key) => findEntry(store, key)) : undefined;
      const verification = await verifyStore(store, entries, options.deep, await createHash64());
      const { findings } = verification;
      const due = options.repair && findings.length > 0;
      const busy = due ? repairStore(store, findings) : [];
      const repaired = due && busy.length === 0;
      process.stdout.write(
        options.format === 'json'
          ? asJson(paths.root, verification, repaired, busy)
          : asText(verification) + (repaired ? `repaired ${findings.length} findings\n` : ''),
      );
      judge(findings, options.repair, busy);
    } catch (error) {
      throw asStoreError(paths.root, error);
    }
  });
}
