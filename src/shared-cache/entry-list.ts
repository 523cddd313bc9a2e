/**
 * The list of cache entries as it leaves a machine; cache-format.md, "Shared cache", is the
 * specification. Layers are called by the digest of their archive, because their ids mean nothing
 * elsewhere.
 */
import type { ContentKey, DefinitionKey, LayerDigest, OperationDigest } from '../keys/digest.js';
import type { StepInputs } from '../keys/inputs.js';
import type { Digest } from '../oci/resolved-image.js';
import type { Json } from '../util/canonical-json.js';
import { canonicalJson } from '../util/canonical-json.js';
import { withoutCredentials } from '../util/redact.js';
import type { ListedMount } from './mounts/snapshot.js';

/** Version of the list; a reader ignores lists of other versions. */
export const LIST_VERSION = 1;

/** A layer's blob in the same image, layout or bucket. */
export interface ListedBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly compression: 'none' | 'gzip' | 'zstd';
}

/** A layer that entries mention. */
export interface ListedLayer {
  readonly diffId: Digest;
  /**
   * Its layer digest, as content keys have it. Not called `digest`: lists of former versions have one of that name which
   * several layers could have.
   */
  readonly layerDigest?: LayerDigest;
  /** Newest time of a file in it, seconds since the epoch: images say by it when they were made. */
  readonly newest?: number;
  /** Undefined for layers of base images, and in an image's own config: its manifest has them. */
  readonly blob?: ListedBlob;
}

/** What an entry was made on; numbers are places in the list of layers. */
export interface ListedParents {
  /** Bottom first. */
  readonly base: readonly number[];
  /** For each step that files were read from; empty where their layers have no diffIDs. */
  readonly reads: readonly (readonly number[])[];
}

/** An entry. Times in ms since the epoch. */
export interface ListedEntry {
  readonly key: DefinitionKey;
  readonly contentKey?: ContentKey;
  readonly operation: OperationDigest;
  readonly inputs: StepInputs;
  /** Undefined when not all layers below have a diffID: then only the content key finds it. */
  readonly parents?: ListedParents;
  readonly reads?: Json;
  /** Undefined when the step left no layer. */
  readonly layer?: number;
  readonly created: number;
  readonly durationMs: number;
  /** When a job last used it: days since the epoch. Undefined: when it was made. */
  readonly used?: number;
}

/** Everything that one build, or a store, gives away. */
export interface EntryList {
  readonly version: typeof LIST_VERSION;
  readonly layers: readonly ListedLayer[];
  readonly entries: readonly ListedEntry[];
  /** Cache mounts. Undefined: none; readers that do not know of them take the rest. */
  readonly mounts?: readonly ListedMount[];
}

/** The entries whose steps made layers, by the layer's place in the list. */
export function makers(entries: readonly ListedEntry[]): ReadonlyMap<number, ListedEntry> {
  return new Map(
    entries.flatMap((entry) => (entry.layer === undefined ? [] : [[entry.layer, entry]])),
  );
}

/** The bytes of a list; the same list always gives the same. */
export function encodeList(list: EntryList): Buffer {
  return Buffer.from(canonicalJson(list as unknown as Json));
}

function redacted(value: Json): Json {
  if (typeof value === 'string') return withoutCredentials(value);
  if (Array.isArray(value)) return value.map(redacted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      member === undefined ? undefined : redacted(member),
    ]),
  );
}

/**
 * A step's inputs without values that may be secret: values of variables (a build
 * argument can be a password, however often people are told), user and password in URLs. Keys
 * were computed from all of it before, and who builds the same has the values.
 */
export function publicInputs(inputs: StepInputs): StepInputs {
  const { env, ...operands } = inputs.operands;
  const names = env !== null && typeof env === 'object' ? Object.keys(env) : [];
  const shown = { ...operands, ...(env === undefined ? {} : { env: nullsFor(names) }) };
  return {
    ...inputs,
    text: withoutCredentials(inputs.text),
    operands: redacted(shown) as StepInputs['operands'],
  };
}

function nullsFor(names: readonly string[]): Json {
  return Object.fromEntries(names.map((name) => [name, null]));
}
