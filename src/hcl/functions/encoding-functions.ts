/** Functions that write values in another form. */
import { createHash } from 'node:crypto';
import { CallError } from '../evaluate.js';
import type { Value } from '../hcl-value.js';
import { fromJson, toJson } from '../hcl-value.js';
import type { Functions } from './arguments-of-call.js';
import { fn } from './arguments-of-call.js';

function hash(algorithm: string) {
  return fn(1, ({ text }) => createHash(algorithm).update(text(0)).digest('hex'));
}

function parseJson(text: string): Value {
  try {
    return fromJson(JSON.parse(text));
  } catch (error) {
    throw new CallError((error as Error).message);
  }
}

function decodeBase64(text: string): string {
  const bytes = Buffer.from(text, 'base64');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || bytes.toString('base64') !== text)
    throw new CallError('that is no base64');
  return bytes.toString('utf8');
}

/** As Go's query escaping: a space is +. */
function encodeUrl(text: string): string {
  return encodeURIComponent(text)
    .replaceAll('%20', '+')
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Records of RFC 4180; a field in quotes may have lines. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;
  let row: string[] = [];
  for (let at = 0; at < text.length || row.length > 0; at = field.lastIndex) {
    field.lastIndex = at;
    const match = field.exec(text);
    if (!match) throw new CallError('a quote stands where none may');
    const [, quoted, plain = '', end] = match;
    row.push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === ',') continue;
    rows.push(row);
    row = [];
  }
  return rows.filter((cells) => cells.length > 1 || cells[0] !== '');
}

function decodeCsv(text: string): Value {
  const [names, ...rows] = parseCsv(text);
  if (!names) throw new CallError('there is no line with the names of the columns');
  return rows.map((cells) => {
    if (cells.length !== names.length)
      throw new CallError(`a line has ${cells.length} fields, not ${names.length}`);
    return new Map(names.map((name, at) => [name, cells[at] ?? '']));
  });
}

const NAMESPACES: Readonly<Record<string, string>> = {
  dns: '6ba7b810-9dad-11d1-80b4-00c04fd430c8',
  url: '6ba7b811-9dad-11d1-80b4-00c04fd430c8',
  oid: '6ba7b812-9dad-11d1-80b4-00c04fd430c8',
  x500: '6ba7b814-9dad-11d1-80b4-00c04fd430c8',
};

/** A UUID that is made of a name (RFC 9562). */
function uuidOfName(namespace: string, name: string): string {
  const known = NAMESPACES[namespace] ?? namespace;
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(known))
    throw new CallError(`${namespace} is neither dns, url, oid, x500 nor a UUID`);
  const bytes = createHash('sha1')
    .update(Buffer.from(known.replaceAll('-', ''), 'hex'))
    .update(name)
    .digest()
    .subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

export const ENCODING_FUNCTIONS: Functions = {
  md5: hash('md5'),
  sha1: hash('sha1'),
  sha256: hash('sha256'),
  sha512: hash('sha512'),
  base64encode: fn(1, ({ text }) => Buffer.from(text(0)).toString('base64')),
  base64decode: fn(1, ({ text }) => decodeBase64(text(0))),
  urlencode: fn(1, ({ text }) => encodeUrl(text(0))),
  jsonencode: fn(1, ({ any }) => toJson(any(0))),
  jsondecode: fn(1, ({ text }) => parseJson(text(0))),
  csvdecode: fn(1, ({ text }) => decodeCsv(text(0))),
  uuidv5: fn(2, ({ text }) => uuidOfName(text(0), text(1))),
  byteslen: fn(1, ({ text }) => Buffer.byteLength(text(0))),
};
