/** Reads a lock file. It comes with a repository: nothing of it is used before its form is checked. Pure. */
import type { SourceLocation } from '../util/errors.js';
import { LockError } from '../util/errors.js';
import type { LockedSource, LockFile } from './lock-file.js';
import { describeSource, LOCK_VERSION, sourceKey } from './lock-file.js';

/** Longer than that of any Dockerfile. */
export const MAX_LOCK_BYTES = 4 << 20;

type JsonObject = { readonly [name: string]: unknown };

const DIGEST = /^sha256:[0-9a-f]{64}$/;
const COMMIT = /^([0-9a-f]{40}|[0-9a-f]{64})$/;
const PLATFORM = /^[a-z0-9]+\/[a-z0-9_]+(\/[a-z0-9._-]+)?$/;

/** Messages have it, and they go to terminals. */
const NAME = /^[^\p{Cc}]+$/u;

/** Characters of a value that a message quotes. */
const MAX_QUOTED = 200;

const AGAIN = 'put it right by hand, or remove the file and write it again with wiac lock';

/** A line of the lock file for a message. */
function lineAt(file: string, line: number): SourceLocation {
  return { file, line, column: 1, endLine: line };
}

/**
 * The line of a source, for messages. wiac writes one source a line; in a file that another program
 * has formatted the first line that has its name is near enough.
 */
export function sourceLocation(
  file: string,
  text: string,
  { name, detail }: { readonly name: string; readonly detail?: string | undefined },
  nth = 0,
): SourceLocation {
  const lines = text.split('\n');
  const having = (...words: readonly string[]) =>
    lines.flatMap((line, at) =>
      words.every((word) => line.includes(JSON.stringify(word))) ? [at + 1] : [],
    );
  const exact = detail === undefined ? [] : having(name, detail);
  const found = exact.length > 0 ? exact : having(name);
  return lineAt(file, found[nth] ?? found[0] ?? 1);
}

/** Git leaves these lines where two branches changed the same ones. */
function refuseConflict(file: string, text: string): void {
  const lines = text.split('\n');
  const at = lines.findIndex((line) => /^(<{7}|\|{7}|>{7})( |\r?$)/.test(line));
  if (at === -1) return;
  throw new LockError('a merge conflict was left in the lock file', lineAt(file, at + 1), {
    hint: 'keep one side (git checkout --ours or --theirs), then wiac lock adds what is missing',
  });
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const [, position] = /at position (\d+)/.exec((error as Error).message) ?? [];
    // It quotes the file.
    const message = (error as Error).message.replace(/\p{Cc}+/gu, ' ');
    // Without a position, as at the end of the text, it is the last line.
    const before = position === undefined ? text.trimEnd() : text.slice(0, Number(position));
    const line = before.split('\n').length;
    throw new LockError(`the lock file is not JSON: ${message}`, lineAt(file, line), {
      hint: AGAIN,
    });
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

/** A member that has to match a pattern; undefined where it may be left out and is. */
type Member = (name: string, pattern: RegExp, optional?: 'optional') => string | undefined;

function memberReader(value: JsonObject, wrong: (problem: string) => never): Member {
  return (name, pattern, optional) => {
    const found = value[name];
    if (found === undefined && optional) return undefined;
    if (typeof found === 'string' && pattern.test(found)) return found;
    if (found === undefined) return wrong(`has no ${name}`);
    // An object can be deeper than what JSON.stringify takes.
    if (typeof found !== 'string') return wrong(`has no text as its ${name}`);
    return wrong(`has the ${name} ${JSON.stringify(found.slice(0, MAX_QUOTED))}`);
  };
}

/** One source. @param wrong told what is wrong with it */
function parseSource(value: JsonObject, wrong: (problem: string) => never): LockedSource {
  const member = memberReader(value, wrong);
  const required = (name: string, pattern: RegExp) => member(name, pattern) ?? '';
  const { usedBy } = value;
  if (!isTexts(usedBy)) return wrong('has no list usedBy');
  if (value.image !== undefined)
    return {
      kind: 'image',
      name: required('image', NAME),
      platform: required('platform', PLATFORM),
      digest: required('digest', DIGEST),
      index: member('index', DIGEST, 'optional'),
      usedBy,
    };
  if (value.git !== undefined)
    return {
      kind: 'git',
      name: required('git', NAME),
      ref: member('ref', NAME, 'optional'),
      commit: required('commit', COMMIT),
      tag: member('tag', COMMIT, 'optional'),
      usedBy,
    };
  if (value.http !== undefined)
    return {
      kind: 'http',
      name: required('http', /^https?:[^\p{Cc}]+$/u),
      checksum: required('checksum', DIGEST),
      usedBy,
    };
  return wrong('is neither image, git nor http');
}

function parseSources(file: string, text: string, values: readonly unknown[]): LockedSource[] {
  const sources: LockedSource[] = [];
  const known = new Set<string>();
  for (const [at, value] of values.entries()) {
    const given = isObject(value) ? (value.image ?? value.git ?? value.http) : undefined;
    const name = typeof given === 'string' ? given : '';
    const detail = isObject(value) ? (value.platform ?? value.ref) : undefined;
    const place = { name, detail: typeof detail === 'string' ? detail : undefined };
    const wrong = (problem: string): never => {
      const which = name === '' ? `source ${at + 1}` : name;
      throw new LockError(`${which} ${problem}`, sourceLocation(file, text, place), {
        hint: AGAIN,
      });
    };
    const source = isObject(value) ? parseSource(value, wrong) : wrong('is no object');
    const key = sourceKey(source);
    if (known.has(key))
      throw new LockError(
        `${describeSource(source)} is there twice`,
        sourceLocation(file, text, place, 1),
        { hint: 'remove one of the two lines, then wiac lock --check' },
      );
    known.add(key);
    sources.push(source);
  }
  return sources;
}

/**
 * Reads a lock file.
 * @param file what messages call it
 * @param dockerfile name of the Dockerfile that it has to belong to, without its directory
 * @throws LockError
 */
export function parseLock(file: string, given: string, dockerfile: string): LockFile {
  // Editors of Windows put a mark in front.
  const text = given.replace(/^\uFEFF/, '');
  refuseConflict(file, text);
  const value = parseJson(file, text);
  const top = lineAt(file, 1);
  if (!isObject(value)) throw new LockError('this is no lock file', top, { hint: AGAIN });
  const { version, dockerfile: own, platforms, sources } = value;
  const { 'allow-network': allowNetwork = [] } = value;
  if (typeof version !== 'number')
    throw new LockError('this is no lock file: it has no version', top, { hint: AGAIN });
  const locate = (name: string) => sourceLocation(file, text, { name });
  if (version !== LOCK_VERSION)
    throw new LockError(
      `the lock file has version ${version}, and this wiac knows version ${LOCK_VERSION}`,
      locate('version'),
      { hint: 'use the wiac that wrote it, or write it again with wiac lock' },
    );
  if (typeof own !== 'string' || !NAME.test(own))
    throw new LockError('the lock file does not say which Dockerfile it is of', top, {
      hint: AGAIN,
    });
  if (own !== dockerfile)
    throw new LockError(
      `this is the lock file of ${own}, not of ${dockerfile}`,
      locate('dockerfile'),
      { hint: `remove it and write one with wiac lock -f ${dockerfile}` },
    );
  if (!isTexts(allowNetwork) || !allowNetwork.every((name) => NAME.test(name)))
    throw new LockError('allow-network is no list of steps', locate('allow-network'), {
      hint: 'write "allow-network": ["STAGE/STEP"]',
    });
  if (!isTexts(platforms) || !platforms.every((platform) => PLATFORM.test(platform)))
    throw new LockError('the lock file has no list of platforms', locate('platforms'), {
      hint: AGAIN,
    });
  if (!Array.isArray(sources))
    throw new LockError('the lock file has no list of sources', top, { hint: AGAIN });
  return { dockerfile, platforms, allowNetwork, sources: parseSources(file, text, sources) };
}
