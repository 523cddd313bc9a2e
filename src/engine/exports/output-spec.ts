/** What --output says: where a result goes, and in which form (docs.docker.com/build/exporters). */
import { resolve } from 'node:path';
import type { Annotation } from '../../oci/annotations.js';
import { parseAnnotation } from '../../oci/annotations.js';
import {
  attributePairs,
  parseAttributes,
  parseBoolean,
  refusing,
} from '../../util/csv-attributes.js';
import { UnsupportedError, UsageError } from '../../util/errors.js';

/** Standard output as a destination. */
export const STDOUT = '-';

/** How an image is written; undefined: what is usual where it goes. */
export interface ImageForm {
  readonly compression: 'gzip' | 'zstd' | 'none' | undefined;
  readonly level: number | undefined;
  readonly force: boolean;
  readonly ociMediaTypes: boolean | undefined;
  readonly rewriteTimestamp: boolean;
  readonly annotations: readonly Annotation[];
}

/** One --output. */
export type Output =
  /** Nothing is written: the result is in the cache. */
  | { readonly type: 'cacheonly' }
  | {
      readonly type: 'local' | 'tar';
      readonly dest: string;
      /** A directory for each platform; undefined: if there are several. */
      readonly split: boolean | undefined;
    }
  | {
      readonly type: 'oci' | 'docker';
      readonly dest: string;
      /** An archive; else a directory. */
      readonly tar: boolean;
      /** Undefined: the names of -t. */
      readonly names: readonly string[] | undefined;
      readonly form: ImageForm;
    }
  | {
      readonly type: 'image';
      readonly names: readonly string[] | undefined;
      readonly push: boolean;
      /** The image is kept here as well (type=image). */
      readonly keep: boolean;
      readonly form: ImageForm;
    };

/** An output that has a manifest. */
export type ImageOutput = Extract<Output, { readonly form: ImageForm }>;

const IMAGE_KEYS = [
  'name',
  'compression',
  'compression-level',
  'force-compression',
  'oci-mediatypes',
  'rewrite-timestamp',
];
const KEYS: Readonly<Record<string, readonly string[]>> = {
  local: ['dest', 'platform-split'],
  tar: ['dest', 'platform-split'],
  oci: ['dest', 'tar', ...IMAGE_KEYS],
  docker: ['dest', 'tar', ...IMAGE_KEYS],
  image: ['push', ...IMAGE_KEYS],
  registry: IMAGE_KEYS,
  cacheonly: [],
};

type Pairs = ReadonlyMap<string, string>;

function isAnnotation(key: string): boolean {
  return /^annotation(-[a-z-]+)?(\[[^\]]*\])?\./.test(key);
}

function getBoolean(pairs: Pairs, key: string): boolean | undefined {
  const value = pairs.get(key);
  if (value === undefined) return undefined;
  if (value === '') return true;
  const given = parseBoolean(value);
  if (given !== undefined) return given;
  throw new UsageError(`--output: ${key}=${value} is neither true nor false`);
}

const MAX_LEVEL = { gzip: 9, zstd: 22, none: 0 } as const;

/**
 * Reads a compression's name and its level.
 * @throws UsageError, UnsupportedError (estargz)
 */
export function parseCompression(
  name: string | undefined,
  level: string | undefined,
): Pick<ImageForm, 'compression' | 'level'> {
  if (name === 'estargz')
    throw new UnsupportedError('compression=estargz is not supported', undefined, {
      hint: 'use gzip, zstd or uncompressed',
    });
  const known = { gzip: 'gzip', zstd: 'zstd', uncompressed: 'none' } as const;
  const compression = Object.entries(known).find(([key]) => key === name)?.[1];
  if (name !== undefined && compression === undefined)
    throw new UsageError(`${name} is no compression`, { hint: 'use gzip, zstd or uncompressed' });
  if (level === undefined) return { compression, level: undefined };
  const max = MAX_LEVEL[compression ?? 'gzip'];
  const number = Number(level);
  if (!/^\d+$/.test(level) || number < 1 || number > max)
    throw new UsageError(`compression level ${level}: ${name ?? 'gzip'} has no such level`, {
      hint: max === 0 ? 'leave the level out' : `use 1 to ${max}`,
    });
  return { compression, level: number };
}

function getAnnotations(pairs: Pairs): Annotation[] {
  return [...pairs].flatMap(([key, value]) => {
    if (!isAnnotation(key)) return [];
    const dot = key.indexOf('.', key.indexOf(']') + 1);
    const target = key.slice(0, dot).replace(/^annotation-?/, '');
    const prefix = target === '' || target.startsWith('[') ? `manifest${target}` : target;
    return parseAnnotation(`${prefix}:${key.slice(dot + 1)}=${value}`);
  });
}

function getForm(pairs: Pairs): ImageForm {
  return {
    ...parseCompression(pairs.get('compression'), pairs.get('compression-level')),
    force: getBoolean(pairs, 'force-compression') ?? false,
    ociMediaTypes: getBoolean(pairs, 'oci-mediatypes'),
    rewriteTimestamp: getBoolean(pairs, 'rewrite-timestamp') ?? false,
    annotations: getAnnotations(pairs),
  };
}

function parsePairs(text: string): Map<string, string> {
  const refuse = refusing('--output', text, 'write type=oci,dest=FILE or only a directory');
  const pairs = new Map<string, string>();
  for (const [key, value] of attributePairs(parseAttributes(text, refuse), refuse)) {
    // Several names are one field in quotes, or the key again.
    const before = key === 'name' ? pairs.get(key) : undefined;
    pairs.set(key, before === undefined ? value : `${before},${value}`);
  }
  return pairs;
}

function checkKeys(text: string, type: string, pairs: Pairs): void {
  const known = KEYS[type];
  if (!known)
    throw new UsageError(`--output ${text}: there is no output of type ${type}`, {
      hint: `use ${Object.keys(KEYS).join(', ')}`,
    });
  const image = known.includes('name');
  for (const key of pairs.keys()) {
    if (key === 'type' || known.includes(key) || (image && isAnnotation(key))) continue;
    throw new UsageError(`--output ${text}: type=${type} has no ${key}`, {
      hint: `it has ${known.join(', ') || 'nothing'}${image ? ', annotation.KEY' : ''}`,
    });
  }
}

function getArchive(text: string, type: 'oci' | 'docker', pairs: Pairs): Output {
  const tar = getBoolean(pairs, 'tar') ?? true;
  const dest = pairs.get('dest') ?? (type === 'oci' && tar ? STDOUT : undefined);
  if (dest === undefined)
    throw new UsageError(`--output ${text}: it has no dest`, {
      hint:
        type === 'docker'
          ? 'there is no daemon to load it into: give dest=FILE, or dest=- and `docker load`'
          : 'give the directory: dest=DIR',
    });
  if (type === 'docker' && !tar)
    throw new UnsupportedError('type=docker,tar=false is not supported', undefined, {
      hint: 'write type=oci,tar=false',
    });
  if (!tar && dest === STDOUT) throw new UsageError(`--output ${text}: a directory needs a dest`);
  return { type, dest, tar, names: getNames(pairs), form: getForm(pairs) };
}

function getNames(pairs: Pairs): string[] | undefined {
  return pairs
    .get('name')
    ?.split(',')
    .map((name) => name.trim())
    .filter(Boolean);
}

/** An image's files in place of this machine's: that is never meant. @throws UsageError */
function localDirectory(text: string, dest: string): string {
  if (resolve(dest) !== '/') return dest;
  throw new UsageError(`--output ${text}: it would replace files of this machine`, {
    hint: 'give a directory of its own',
  });
}

/**
 * Reads one --output: `type=...,key=value`, a directory (type=local), or `-` (a tar archive on
 * standard output).
 * @throws UsageError, UnsupportedError
 */
export function parseOutput(text: string): Output {
  // An unset variable in a script: the files of the image would land in the working directory.
  if (text === '') throw new UsageError('--output: it is empty', { hint: 'give a directory' });
  if (text === STDOUT) return { type: 'tar', dest: STDOUT, split: undefined };
  if (!text.includes('='))
    return { type: 'local', dest: localDirectory(text, text), split: undefined };
  const pairs = parsePairs(text);
  const type = pairs.get('type');
  if (type === undefined)
    throw new UsageError(`--output ${text}: it has no type`, {
      hint: `write type=${Object.keys(KEYS).join('|')}`,
    });
  checkKeys(text, type, pairs);
  if (pairs.get('dest') === '')
    throw new UsageError(`--output ${text}: its dest is empty`, {
      hint: 'give dest=FILE or dest=DIR',
    });
  if (type === 'cacheonly') return { type };
  if (type === 'oci' || type === 'docker') return getArchive(text, type, pairs);
  if (type === 'local' || type === 'tar') {
    const dest = pairs.get('dest') ?? (type === 'tar' ? STDOUT : undefined);
    if (dest === undefined || (type === 'local' && dest === STDOUT))
      throw new UsageError(`--output ${text}: it has no directory`, { hint: 'give dest=DIR' });
    const split = getBoolean(pairs, 'platform-split');
    return { type, dest: type === 'local' ? localDirectory(text, dest) : dest, split };
  }
  const push = type === 'registry' || (getBoolean(pairs, 'push') ?? false);
  const keep = type === 'image';
  return { type: 'image', names: getNames(pairs), push, keep, form: getForm(pairs) };
}

/** The media types of an output: OCI's, but Docker's in an archive for docker. */
export function getMediaTypes({ type, form }: ImageOutput): 'oci' | 'docker' {
  return (form.ociMediaTypes ?? type !== 'docker') ? 'oci' : 'docker';
}

/**
 * Checks what one output says against the rest of the command line.
 * @param annotations of the whole build
 * @param epoch SOURCE_DATE_EPOCH
 * @throws UsageError
 */
export function checkImageOutput(
  output: ImageOutput,
  annotations: readonly Annotation[],
  epoch: number | undefined,
): void {
  const { form, type } = output;
  const annotated = annotations.length + form.annotations.length > 0;
  if (annotated && getMediaTypes(output) === 'docker')
    throw new UsageError("Docker's media types have no annotations", {
      hint: 'leave the annotations out, or write oci-mediatypes=true',
    });
  if (annotated && type === 'docker')
    throw new UsageError('an archive for docker has no annotations', { hint: 'write type=oci' });
  if (form.rewriteTimestamp && epoch === undefined)
    throw new UsageError('rewrite-timestamp=true needs SOURCE_DATE_EPOCH', {
      hint: 'for example SOURCE_DATE_EPOCH=$(git log -1 --pretty=%ct) wiac build ...',
    });
}

/** Does it write to standard output? */
export function usesStdout(output: Output): boolean {
  return 'dest' in output && output.dest === STDOUT;
}
