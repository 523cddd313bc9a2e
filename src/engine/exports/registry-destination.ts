/** The registries that a result goes to, asked for its layers before any is fetched. */
import { ImageError } from '../../oci/image-error.js';
import { parseRegistryReference } from '../../oci/reference.js';
import type { RegistryOptions } from '../../oci/registry/registry.js';
import type { Destination, RemoteBlob } from '../images/elsewhere.js';
import type { Output } from './output-spec.js';

/** Requests at the same time. */
const PARALLEL = 8;

async function all<T>(items: readonly T[], holds: (item: T) => Promise<boolean>): Promise<boolean> {
  const waiting = [...items];
  let result = true;
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item && result; item = waiting.shift())
      if (!(await holds(item))) result = false;
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return result;
}

async function claimAll(
  name: string,
  blobs: readonly RemoteBlob[],
  registry: RegistryOptions,
): Promise<boolean> {
  const { repositoryBlobs } = await import('../../oci/registry/registry.js');
  const reference = parseRegistryReference(name);
  const repository = repositoryBlobs(reference, registry);
  try {
    return await all(blobs, ({ descriptor, registry: cache }) => {
      const source = cache === undefined ? undefined : parseRegistryReference(cache);
      const from = source?.host === reference.host ? source.repository : undefined;
      return repository.claim(descriptor.digest, from);
    });
  } finally {
    await repository.close();
  }
}

/** Is the image written as a push without options writes it? */
function isPlainPush(output: Output): boolean {
  if (output.type !== 'image' || !output.push || output.keep) return false;
  const { compression = 'gzip', level, force, rewriteTimestamp } = output.form;
  return compression === 'gzip' && level === undefined && !force && !rewriteTimestamp;
}

/**
 * Where a result goes, if that is to registries alone, and as it is.
 * @param names those of outputs that give none
 */
export function registryDestination(
  outputs: readonly Output[],
  names: readonly string[],
  registry: RegistryOptions,
): Destination | undefined {
  if (outputs.length === 0 || !outputs.every(isPlainPush)) return undefined;
  const targets = outputs.flatMap((output) =>
    output.type === 'image' ? (output.names ?? names) : [],
  );
  return {
    hasAll: async (blobs) => {
      try {
        return await all(targets, (name) => claimAll(name, blobs, registry));
      } catch (error) {
        // What is wrong there the push itself says.
        if (error instanceof ImageError) return false;
        throw error;
      }
    },
  };
}
