/** JSON of others, which may be none, or written to have no end. */
import { getMessage, ImageError } from './image-error.js';

/** Levels that nothing honest has: each takes calls of its own wherever a document is read or written. */
const MAX_NESTING = 200;

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((member) => isDeeper(member, levels - 1));
}

/** @throws ImageError for what would overflow the stack of whoever reads or writes it */
export function checkNesting(value: unknown, where: string): void {
  if (isDeeper(value, MAX_NESTING))
    throw new ImageError(`${where} is nested deeper than ${MAX_NESTING} levels`);
}

/** @throws ImageError */
export function parseForeignJson(bytes: Uint8Array, where: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ImageError(`${where} is not JSON: ${getMessage(cause)}`, { cause });
  }
  checkNesting(value, where);
  return value;
}
