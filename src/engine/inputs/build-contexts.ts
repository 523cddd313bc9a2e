/** --build-context: other contexts, images and stages under a name. */

import { contextName } from '../../plan/context-name.js';
import type { NamedContext } from '../../plan/plan.js';
import { UsageError } from '../../util/errors.js';

/** Named contexts for the plan, by contextName, and where the files of those are that hold files. */
export interface BuildContexts {
  readonly contexts: ReadonlyMap<string, NamedContext>;
  readonly sources: ReadonlyMap<string, string>;
}

/** Transports of images that an image source understands as they are. */
const IMAGE = /^(oci-layout:\/\/|oci-archive:|docker-archive:)/;

function parseValue(name: string, value: string): NamedContext {
  if (value.startsWith('docker-image://')) {
    return { kind: 'image', reference: value.slice('docker-image://'.length) };
  }
  if (IMAGE.test(value)) return { kind: 'image', reference: value };
  if (value.startsWith('target:')) return { kind: 'target', stage: value.slice('target:'.length) };
  if (value === '') throw new UsageError(`--build-context ${name}: there is no value`);
  return { kind: 'directory' };
}

/** @param given values by name @throws UsageError */
export function parseBuildContexts(given: Readonly<Record<string, string>>): BuildContexts {
  const contexts = new Map<string, NamedContext>();
  const sources = new Map<string, string>();
  for (const [name, value] of Object.entries(given)) {
    const context = parseValue(name, value);
    const key = contextName(name);
    contexts.set(key, context);
    if (context.kind === 'directory') sources.set(key, value);
    else sources.delete(key);
  }
  return { contexts, sources };
}
