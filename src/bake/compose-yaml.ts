/** YAML as compose reads it: with variables in it, anchors, merged maps, and a place for every message. */
import type { Document, Node, Scalar as YamlScalar } from 'yaml';
import { isAlias, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { SourceLocation } from '../util/errors.js';
import { BakeFileError } from '../util/errors.js';
import type { LookUp, OnUnset } from './interpolate.js';
import { InterpolationError, interpolate } from './interpolate.js';
import { plainNumber } from './plain-number.js';

export type Scalar = string | number | boolean | null;

/** A value, and where it is. */
export interface ComposeNode {
  readonly at: SourceLocation;
  readonly content: Scalar | readonly ComposeNode[] | ReadonlyMap<string, ComposeNode>;
  /** `!reset`: nothing of what other files say; `!override`: only what this one says. */
  readonly tag?: 'reset' | 'override';
}

/** Aliases can stand for each other: more values are an attack. */
const MAX_NODES = 200_000;

interface Reading {
  readonly document: Document;
  readonly locate: (node: Node | undefined | null) => SourceLocation;
  readonly lookUp: LookUp;
  readonly onUnset: OnUnset;
  count: number;
}

/** An error of a value. */
export function composeError(message: string, { at }: ComposeNode, hint?: string): BakeFileError {
  return new BakeFileError(message, at, { hint });
}

function scalarOf(value: unknown, at: SourceLocation, { lookUp, onUnset }: Reading): Scalar {
  if (value === undefined || value === null) return null;
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value !== 'string') return String(value);
  try {
    return interpolate(value, lookUp, onUnset);
  } catch (error) {
    if (error instanceof InterpolationError) throw new BakeFileError(error.message, at);
    throw error;
  }
}

/** Other scalars than numbers are what YAML 1.2 says. */
function plainValue({ type, tag, source = '', value }: YamlScalar): unknown {
  if (type !== 'PLAIN' || tag !== undefined) return value;
  return plainNumber(source) ?? (typeof value === 'number' ? source : value);
}

/** What `<<` brings: what is there itself counts before it. */
function mergedInto(
  own: ReadonlyMap<string, ComposeNode>,
  merged: readonly ComposeNode[],
): ReadonlyMap<string, ComposeNode> {
  const all = new Map<string, ComposeNode>();
  for (const { content } of [...merged].reverse())
    if (content instanceof Map) for (const [key, value] of content) all.set(key, value);
  for (const [key, value] of own) all.set(key, value);
  return all;
}

function toNode(node: unknown, reading: Reading, aliases: number): ComposeNode {
  const real = node as Node | null;
  const at = reading.locate(real);
  reading.count += 1;
  if (reading.count > MAX_NODES || aliases > 100)
    throw new BakeFileError('the file has too many values', at);
  if (isAlias(real)) {
    const target = real.resolve(reading.document);
    if (!target) throw new BakeFileError(`there is no anchor &${real.source}`, at);
    return toNode(target, reading, aliases + 1);
  }
  const tag = real?.tag === '!reset' || real?.tag === '!override' ? real.tag.slice(1) : undefined;
  const tagged = tag === undefined ? {} : { tag: tag as 'reset' | 'override' };
  if (isSeq(real))
    return { at, ...tagged, content: real.items.map((item) => toNode(item, reading, aliases)) };
  if (!isMap(real)) {
    const value = isScalar(real) ? plainValue(real) : null;
    return { at, ...tagged, content: scalarOf(value, at, reading) };
  }
  const own = new Map<string, ComposeNode>();
  const merged: ComposeNode[] = [];
  for (const pair of real.items) {
    if (!isPair(pair)) continue;
    const key = String(isScalar(pair.key) ? pair.key.value : pair.key);
    const value = toNode(pair.value, reading, aliases);
    if (key !== '<<') own.set(key, value);
    else merged.push(...(Array.isArray(value.content) ? value.content : [value]));
  }
  return { at, ...tagged, content: mergedInto(own, merged) };
}

/** @throws BakeFileError */
export function parseCompose(
  file: string,
  text: string,
  lookUp: LookUp,
  onUnset: OnUnset,
): ComposeNode {
  const lineCounter = new LineCounter();
  const place = (offset: number): SourceLocation => {
    const { line, col } = lineCounter.linePos(offset);
    return { file, line, column: col, endLine: line };
  };
  const document = parseDocument(text, { lineCounter, logLevel: 'silent', uniqueKeys: true });
  const [error] = document.errors;
  if (error)
    throw new BakeFileError(
      `that is no YAML: ${error.message.split('\n', 1)[0]?.replace(/ at line.*/, '')}`,
      place(error.pos[0]),
    );
  const reading: Reading = {
    document,
    locate: (node) => place(node?.range?.[0] ?? 0),
    lookUp,
    onUnset,
    count: 0,
  };
  return toNode(document.contents, reading, 0);
}
