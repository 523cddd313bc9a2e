/**
 * Digests as branded strings, so that a path or a key of another kind can't be passed for one.
 * Everything here is SHA-256: these values decide what is correct and leave the machine.
 */
import { createHash } from 'node:crypto';

/** 64 lower-case hex digits: SHA-256 of a file's content. */
export type FileDigest = string & { readonly __brand: 'FileDigest' };
/** SHA-256 of an encoded tree node (see cache-format.md, "Trees"). */
export type TreeDigest = string & { readonly __brand: 'TreeDigest' };
/** SHA-256 of a step's inputs with its parents' keys: what the step is asked to do. */
export type DefinitionKey = string & { readonly __brand: 'DefinitionKey' };
/** SHA-256 of a step's inputs with what it really reads from its parents. */
export type ContentKey = string & { readonly __brand: 'ContentKey' };
/** SHA-256 of a step's operands alone: "the same instruction", whatever its files and parents. */
export type OperationDigest = string & { readonly __brand: 'OperationDigest' };
/** Digest of a layer's files, whiteouts included; equal digests mean interchangeable layers. */
export type LayerDigest = string & { readonly __brand: 'LayerDigest' };

/**
 * SHA-256 as lower-case hex.
 * @param data text is hashed as UTF-8
 */
export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** A value of JSON; `undefined` members of objects are left out, as JSON.stringify does. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json | undefined };

/**
 * The one encoding of a JSON value that keys are computed from: members sorted by name (UTF-16
 * code units), no white space, as in RFC 8785 for the values that wiac uses (strings, integers,
 * booleans, null).
 */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const record = value as { readonly [name: string]: Json | undefined };
    const members: string[] = [];
    for (const name of Object.keys(record).sort()) {
      const member = record[name];
      if (member !== undefined) members.push(`${JSON.stringify(name)}:${canonicalJson(member)}`);
    }
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value);
}
