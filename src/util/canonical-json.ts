/** The one encoding that keys, records and signatures are computed from, and its digest. */
import { createHash } from 'node:crypto';

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
