/**
 * Which entry a step that is not in the cache is to be compared with: the newest of the same
 * operation and instruction (COPY --from of two stages can be one operation), else of the same
 * operation, else of the same instruction, else what stood at the same place; of what is fetched one from
 * the same source first. Each is one look-up, whatever the size of the index.
 */

import type { DefinitionKey, OperationDigest } from '../../keys/digest.js';
import type { StepInputs } from '../../keys/inputs.js';
import { canonicalJson, sha256 } from '../../util/canonical-json.js';
import type { CacheIndex } from '../index/index-db.js';
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import type { StepRecord } from '../records.js';

/** How many entries are remembered for each instruction and place, newest first. */
const REMEMBERED = 4;

function getRows({ kind, text, platform, parents }: StepInputs): string[] {
  return [
    `text:${sha256(`${kind} ${text}`).slice(0, 32)}`,
    `after:${kind}:${platform}:${parents[0] ?? 'nothing'}`,
  ];
}

/** Notes an entry under its instruction and its place; the caller is in a transaction. */
export function noteRelated(index: CacheIndex, { key, inputs }: StepRecord): void {
  for (const row of getRows(inputs)) {
    const others = (index.related.get(row) ?? []).filter((other) => other !== key);
    index.related.putSync(row, [key, ...others].slice(0, REMEMBERED));
  }
}

/** Takes an entry out of the rows again; the caller is in a transaction. */
export function forgetRelated(index: CacheIndex, { key, inputs }: StepRecord): void {
  for (const row of getRows(inputs)) {
    const others = (index.related.get(row) ?? []).filter((other) => other !== key);
    if (others.length > 0) index.related.putSync(row, others);
    else index.related.removeSync(row);
  }
}

/**
 * Remembers which image a key stands for: a key alone does not tell. Written once for each image.
 * @param digest of its manifest, or the id of a build result
 */
export function noteImage(store: Indexed, key: DefinitionKey, digest: string): void {
  const index = getTables(store);
  if (!index.sources.doesExist(key)) index.sources.putSync(key, digest);
}

/** The digest of the image that a key stands for; undefined when it is not that of an image. */
export function imageDigest(store: Indexed, key: DefinitionKey | undefined): string | undefined {
  const index = getTables(store);
  return key === undefined ? undefined : index.sources.get(key);
}

/** Branches of one repository have one instruction, and each is a source of its own. Most steps have none. */
function hasSource(one: StepInputs, other: StepInputs): boolean {
  const [a, b] = [one, other].map(({ operands }) => canonicalJson(operands.source ?? null));
  return a === b;
}

/** The nearest entry; undefined when nothing like it is in the cache. */
export function findNearest(
  store: Indexed,
  operation: OperationDigest,
  inputs: StepInputs,
): StepRecord | undefined {
  const index = getTables(store);
  const same = index.operations.get(operation) ?? [];
  const [text = [], place = []] = getRows(inputs).map((row) => index.related.get(row) ?? []);
  const both = same.filter((key) => text.includes(key));
  let nearest: StepRecord | undefined;
  for (const key of [...both, ...same, ...text, ...place]) {
    const record = index.steps.get(key);
    if (record && hasSource(record.inputs, inputs)) return record;
    nearest ??= record;
  }
  return nearest;
}
