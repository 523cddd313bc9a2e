/** Lists of one entry. */
import type { DefinitionKey, OperationDigest } from '../../src/keys/digest.js';
import { definitionKey, operationDigest, type StepInputs } from '../../src/keys/inputs.js';
import type { EntryList, ListedEntry } from '../../src/shared-cache/entry-list.js';

/** @param name of its step */
export function listOf(name: string): EntryList {
  const part = { version: 1, kind: 'run', platform: 'linux/amd64', operands: { name } } as const;
  const operation: OperationDigest = operationDigest(part as never);
  const inputs = { ...part, text: name, files: [], parents: [] } as unknown as StepInputs;
  const key: DefinitionKey = definitionKey(operation, [], []);
  const entry: ListedEntry = {
    key,
    operation,
    inputs,
    created: 20_000 * 86_400_000,
    durationMs: 1,
  };
  return { version: 1, layers: [], entries: [entry] };
}
