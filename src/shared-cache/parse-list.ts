/** Reads lists of entries. They come from elsewhere: nothing is used before its shape is checked. */

import type { SelectionInput, StepInputs } from '../keys/inputs.js';
import { definitionKey } from '../keys/inputs.js';
import { isDigest } from '../oci/blob-digest.js';
import { checkNesting } from '../oci/foreign-json.js';
import { getMessage, ImageError } from '../oci/image-error.js';
import type { Json } from '../util/canonical-json.js';
import type { EntryList, ListedEntry, ListedLayer } from './entry-list.js';
import { LIST_VERSION } from './entry-list.js';
import { isListedMount } from './mounts/parse-snapshot.js';

type JsonObject = { readonly [name: string]: unknown };

const HEX = /^[0-9a-f]{64}$/;
const KINDS = ['copy', 'run', 'workdir', 'fetch', 'squash'];
const COMPRESSIONS = ['none', 'gzip', 'zstd'];

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isHex(value: unknown): boolean {
  return typeof value === 'string' && HEX.test(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isLayer(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { diffId, layerDigest, newest, blob } = value;
  if (typeof diffId !== 'string' || !isDigest(diffId)) return false;
  if (layerDigest !== undefined && !isHex(layerDigest)) return false;
  if (newest !== undefined && !Number.isSafeInteger(newest)) return false;
  if (blob === undefined) return true;
  return (
    isObject(blob) &&
    typeof blob.digest === 'string' &&
    isDigest(blob.digest) &&
    isCount(blob.size) &&
    COMPRESSIONS.includes(String(blob.compression))
  );
}

function isDirectory(value: unknown): boolean {
  return isObject(value) && [value.mode, value.uid, value.gid].every(isCount);
}

function isSelection(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { path, kind, tree, below, directory, ways } = value;
  const attributes =
    (directory === undefined || isDirectory(directory)) &&
    (ways === undefined || (Array.isArray(ways) && ways.every(isDirectory)));
  return (
    typeof path === 'string' &&
    (kind === 'file' || kind === 'directory') &&
    isHex(tree) &&
    typeof below === 'string' &&
    attributes
  );
}

function isInputs(value: unknown): value is StepInputs {
  if (!isObject(value)) return false;
  const { version, kind, platform, operands, text, files, parents } = value;
  return (
    isCount(version) &&
    KINDS.includes(String(kind)) &&
    typeof platform === 'string' &&
    isObject(operands) &&
    typeof text === 'string' &&
    Array.isArray(files) &&
    files.every(isSelection) &&
    Array.isArray(parents) &&
    parents.every(isHex)
  );
}

/** Files of a COPY --from count through their step's key. */
function keyedFiles({ operands, files }: StepInputs): readonly SelectionInput[] {
  return operands.fromStep === true ? [] : files;
}

function isEntry(value: unknown, layers: readonly ListedLayer[]): boolean {
  if (!isObject(value) || !isInputs(value.inputs)) return false;
  const { key, contentKey, operation, inputs, parents, layer, created, durationMs, used } = value;
  const isPlace = (at: unknown) => isCount(at) && at < layers.length;
  const isPlaces = (places: unknown) => Array.isArray(places) && places.every(isPlace);
  const rightParents =
    parents === undefined ||
    (isObject(parents) &&
      isPlaces(parents.base) &&
      Array.isArray(parents.reads) &&
      parents.reads.every(isPlaces));
  if (!isHex(operation) || !rightParents || !isCount(created) || !isCount(durationMs)) return false;
  if (contentKey !== undefined && !isHex(contentKey)) return false;
  if (layer !== undefined && !isPlace(layer)) return false;
  if (used !== undefined && !isCount(used)) return false;
  const { operation: digest } = value as unknown as ListedEntry;
  return key === definitionKey(digest, keyedFiles(inputs), inputs.parents);
}

/**
 * Reads a list.
 * @param title where it comes from, for messages
 * @throws ImageError for anything that is no list of this version
 */
export function parseList(bytes: Uint8Array, title: string): EntryList {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Json;
  } catch (cause) {
    throw new ImageError(`the cache entries of ${title} are not JSON: ${getMessage(cause)}`, {
      cause,
    });
  }
  if (!isObject(value) || value.version !== LIST_VERSION)
    throw new ImageError(
      `the cache entries of ${title} have version ${isObject(value) ? value.version : undefined}, this wiac knows ${LIST_VERSION}`,
      { hint: 'write the cache with the same version of wiac' },
    );
  checkNesting(value, `the list of cache entries of ${title}`);
  const { layers, entries, mounts = [] } = value;
  if (!Array.isArray(layers) || !layers.every(isLayer))
    throw new ImageError(`the cache entries of ${title} have a layer without a valid digest`);
  if (!Array.isArray(entries) || !entries.every((entry) => isEntry(entry, layers)))
    throw new ImageError(`the cache entries of ${title} have an entry that contradicts itself`);
  if (!Array.isArray(mounts) || !mounts.every(isListedMount))
    throw new ImageError(`the cache entries of ${title} have a cache mount that is none`);
  return value as unknown as EntryList;
}
