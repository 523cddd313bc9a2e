/** --build-context: other directories, images and stages under a name. */

import { openContext } from '../context/context.js';
import type { FileSource } from '../context/source.js';
import { UsageError } from '../errors.js';
import type { NamedContext } from '../plan/plan.js';
import { parsePairs } from './dockerfile-input.js';

/** Named contexts for the plan, and the directories of those that are one. */
export interface BuildContexts {
  readonly contexts: ReadonlyMap<string, NamedContext>;
  readonly directories: ReadonlyMap<string, string>;
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

/** @throws UsageError */
export function parseBuildContexts(items: readonly string[]): BuildContexts {
  const contexts = new Map<string, NamedContext>();
  const directories = new Map<string, string>();
  for (const [name, value] of Object.entries(parsePairs(items, '--build-context'))) {
    const context = parseValue(name, value);
    contexts.set(name, context);
    if (context.kind === 'directory') directories.set(name, value);
  }
  return { contexts, directories };
}

/** Opens a context by name; '' is the main one, the only one that has a Dockerfile. */
export function contextOpener(
  path: string,
  dockerfile: string | undefined,
  directories: ReadonlyMap<string, string>,
): (name: string) => FileSource {
  return (name) =>
    name === ''
      ? openContext(path, dockerfile)
      : openContext(directories.get(name) ?? name, undefined);
}
