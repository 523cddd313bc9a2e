/** `--cache-to` and `--cache-from`: values as docker buildx has them. */
import { parseRegistryReference } from '../oci/reference.js';
import type { Refuse } from '../util/csv-attributes.js';
import { attributePairs, parseAttributes, parseBoolean, refusing } from '../util/csv-attributes.js';
import { UnsupportedError } from '../util/errors.js';
import { isHttpUrl } from '../util/http-url.js';
import { withoutCredentials } from '../util/redact.js';
import { parseBinarySize } from '../util/units.js';
import { type GhaPlace, ghaPlace } from './gha-spec.js';
import type { ListBounds } from './merge-lists.js';

/** A place in an S3 bucket. */
export interface S3Place {
  readonly type: 's3';
  readonly bucket: string;
  readonly region: string;
  /** Undefined: AWS. */
  readonly endpoint: string | undefined;
  /** Before the names of all objects. */
  readonly prefix: string;
  /** Name of the cache among those that share the blobs. */
  readonly name: string;
  /** The bucket stands in the path of URLs, and not in the host. */
  readonly pathStyle: boolean;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

/** A place that holds a list of entries with their layers. */
export type CachePlace =
  | { readonly type: 'registry'; readonly reference: string }
  | { readonly type: 'local'; readonly directory: string; readonly tag: string }
  | { readonly type: 'archive'; readonly file: string }
  | S3Place
  | GhaPlace;

/** Which cache mounts travel. */
export interface MountSelection {
  /** Their ids in the Dockerfile. */
  readonly ids: 'all' | readonly string[];
  /** Bytes of their files: of all together when they are written, of each when it is read. */
  readonly most: number;
}

/** One `--cache-from`. */
export interface CacheFromSpec {
  readonly place: CachePlace;
  /** A failure ends the build. */
  readonly required: boolean;
  /** One of several references: nobody wonders when it is not there. */
  readonly oneOf: boolean;
  /** Files with public keys. */
  readonly trustKeys: readonly string[];
  /** Cache mounts that are brought back; undefined: none. */
  readonly mounts: MountSelection | undefined;
}

/** One `--cache-to`. */
export interface CacheToSpec {
  /** `inline`: in the image itself. */
  readonly place: CachePlace | { readonly type: 'inline' };
  /** `min`: entries whose layers are in the result; `max`: entries of all steps. */
  readonly mode: 'min' | 'max';
  /** Of layers that were not compressed before. */
  readonly compression: 'gzip' | 'zstd';
  /** File with the private key. */
  readonly signKey: string | undefined;
  /** A failure is a warning only. */
  readonly ignoreError: boolean;
  /** Cache mounts that are written as well; undefined: none. */
  readonly mounts: MountSelection | undefined;
  /** What the place has stays, within these bounds; undefined: it is written over. */
  readonly bounds: ListBounds | undefined;
}

/** What a value consists of. Each attribute is taken once; what is left at the end means nothing. */
interface Attributes {
  /** The option as given, for messages. */
  readonly title: string;
  readonly refuse: Refuse;
  readonly left: Map<string, string[]>;
}

const EXAMPLES: ReadonlyMap<string, string> = new Map([
  ['registry', 'type=registry,ref=HOST/NAME:TAG'],
  ['local', 'type=local,dest=DIR (--cache-to) or type=local,src=DIR (--cache-from)'],
  ['s3', 'type=s3,bucket=NAME,region=NAME[,endpoint_url=URL][,prefix=PATH][,name=NAME]'],
  ['gha', 'type=gha[,scope=NAME]'],
  ['inline', 'type=inline'],
]);

function refuse(attributes: Attributes, why: string): never {
  return attributes.refuse(why);
}

/** Attributes that no message may repeat, in quotes or not. */
const SECRETS =
  /"(access_key_id|secret_access_key|session_token|token|ghtoken)=([^"]|"")*"?|\b(access_key_id|secret_access_key|session_token|token|ghtoken)=[^,]*/gi;

function splitAttributes(text: string, option: string): Attributes {
  const shown = withoutCredentials(text).replace(SECRETS, '$1$3=***');
  const refuse = refusing(option, shown, `write ${[...EXAMPLES.values()].join(', ')}`);
  const attributes = parseAttributes(text, refuse);
  // As in buildx: a value that is one word is a reference.
  const [only, ...others] = attributes;
  const pairs =
    only && others.length === 0 && only.value === undefined
      ? [['type', 'registry'] as const, ['ref', text] as const]
      : attributePairs(attributes, refuse);
  const left = new Map<string, string[]>();
  for (const [name, value] of pairs) left.set(name, [...(left.get(name) ?? []), value]);
  return { title: `${option} ${shown}`, refuse, left };
}

function takeAll({ left }: Attributes, name: string): string[] {
  const values = left.get(name) ?? [];
  left.delete(name);
  return values;
}

function take(attributes: Attributes, name: string): string | undefined {
  const values = takeAll(attributes, name);
  if (values.length > 1) refuse(attributes, `${name} is there twice`);
  return values[0] === '' ? undefined : values[0];
}

function takeNeeded(attributes: Attributes, name: string): string {
  return take(attributes, name) ?? refuse(attributes, `${name} is missing`);
}

function takeOneOf<T extends string>(
  attributes: Attributes,
  name: string,
  values: readonly [T, ...T[]],
): T {
  const text = take(attributes, name);
  if (text === undefined) return values[0];
  const found = values.find((value) => value === text);
  return found ?? refuse(attributes, `${name} is one of ${values.join(', ')}`);
}

function takeFlag(attributes: Attributes, name: string, otherwise = false): boolean {
  const text = take(attributes, name);
  if (text === undefined) return otherwise;
  return parseBoolean(text) ?? refuse(attributes, `${name} is one of true, false`);
}

/** Bytes of cache mounts that are written, and read, unless the option says otherwise. */
const MOUNTS_TO = 2 * 2 ** 30;
const MOUNTS_FROM = 10 * 2 ** 30;

/** `mounts=true`, `mounts=ID` any number of times, `"mounts=ID,ID"`; `mounts-max=SIZE`. */
function takeMounts(
  attributes: Attributes,
  otherwise: boolean,
  usual: number,
): MountSelection | undefined {
  const values = takeAll(attributes, 'mounts');
  const size = take(attributes, 'mounts-max');
  const most = size === undefined ? usual : parseBinarySize(size);
  if (most === undefined) refuse(attributes, 'mounts-max is a size: 500M, 2G');
  const [only = ''] = values;
  const flag = values.length > 1 ? undefined : parseBoolean(only);
  const wanted = values.length === 0 ? otherwise : flag;
  if (size !== undefined && wanted === false) refuse(attributes, 'mounts-max needs mounts=true');
  if (wanted !== undefined) return wanted ? { ids: 'all', most } : undefined;
  const ids = values.flatMap((value) => value.split(','));
  if (ids.includes('')) refuse(attributes, 'mounts is true, false or ids of cache mounts');
  return { ids, most };
}

/** Of a cache that does not say how much it keeps. */
const USUAL_BOUNDS: ListBounds = { maxEntries: 10_000, maxAgeDays: 30 };

function takeCount(attributes: Attributes, name: string, usual: number): number {
  const text = take(attributes, name);
  if (text === undefined) return usual;
  if (!/^[1-9]\d{0,8}$/.test(text)) refuse(attributes, `${name} is a number, 1 or more`);
  return Number(text);
}

/** `30d`, `12h`; a use is known to the day. */
function takeDays(attributes: Attributes, name: string, usual: number): number {
  const text = take(attributes, name);
  if (text === undefined) return usual;
  const [, count, unit] = /^(\d{1,6})(d|h)$/.exec(text) ?? [];
  if (count === undefined) refuse(attributes, `${name} is a number of days or hours: 30d, 12h`);
  return unit === 'd' ? Number(count) : Math.floor(Number(count) / 24);
}

/** `merge=false` writes over what is there; an archive is always written anew. */
function takeBounds(attributes: Attributes, type: string): ListBounds | undefined {
  const isOne = type === 'inline';
  const merge = takeFlag(attributes, 'merge', !isOne);
  const [maxEntries, maxAgeDays] = [
    takeCount(attributes, 'max-entries', USUAL_BOUNDS.maxEntries),
    takeDays(attributes, 'max-age', USUAL_BOUNDS.maxAgeDays),
  ];
  if (merge && isOne) refuse(attributes, 'an inline cache is that of its image: nothing is merged');
  return merge ? { maxEntries, maxAgeDays } : undefined;
}

/** What a cache in a directory is called there. */
export const DEFAULT_TAG = 'latest';

/** What can stand in the name of a host. */
export const HOST_PART = /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/i;

function s3Place(attributes: Attributes, env: NodeJS.ProcessEnv): S3Place {
  const setting = (name: string, variable: string) => take(attributes, name) ?? env[variable];
  const needed = (name: string, variable: string) =>
    setting(name, variable) ||
    refuse(attributes, `${name} is missing, and $${variable} is not set`);
  const endpoint = setting('endpoint_url', 'AWS_ENDPOINT_URL') || undefined;
  // `minio:9000` is a URL as well, of a scheme that is called minio.
  if (endpoint !== undefined && !isHttpUrl(endpoint))
    refuse(
      attributes,
      `endpoint_url ${withoutCredentials(endpoint)} is no URL with https:// or http://`,
    );
  const [bucket, region] = [needed('bucket', 'AWS_BUCKET'), needed('region', 'AWS_REGION')];
  const pathStyle = takeFlag(attributes, 'use_path_style', endpoint !== undefined);
  if (!HOST_PART.test(region)) refuse(attributes, `region ${region} is no name of a region`);
  if (!pathStyle && !HOST_PART.test(bucket))
    refuse(attributes, `bucket ${bucket} is no name of a bucket`);
  const prefix = take(attributes, 'prefix')?.replace(/^\/+/, '') ?? '';
  return {
    type: 's3',
    bucket,
    region,
    endpoint,
    prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`,
    name: take(attributes, 'name') ?? 'wiac',
    pathStyle,
    accessKeyId: needed('access_key_id', 'AWS_ACCESS_KEY_ID'),
    secretAccessKey: needed('secret_access_key', 'AWS_SECRET_ACCESS_KEY'),
    sessionToken: setting('session_token', 'AWS_SESSION_TOKEN') || undefined,
  };
}

function getPlace(
  attributes: Attributes,
  type: string,
  directory: 'src' | 'dest',
  env: NodeJS.ProcessEnv,
): CachePlace {
  switch (type) {
    case 'registry': {
      const reference = takeNeeded(attributes, 'ref').replace(/^docker(-image)?:\/\//, '');
      // A name that can't be one is a mistake, and not a cache that is down.
      parseRegistryReference(reference);
      return { type, reference };
    }
    case 'local': {
      const tag = take(attributes, 'tag') ?? DEFAULT_TAG;
      return { type, directory: takeNeeded(attributes, directory), tag };
    }
    case 's3':
      return s3Place(attributes, env);
    case 'gha':
      return ghaPlace((name) => take(attributes, name), env, attributes.refuse);
    case 'azblob':
      throw new UnsupportedError(`${attributes.title}: type=${type} is not supported`, undefined, {
        hint: 'use registry, local, s3, gha or inline',
      });
    default:
      return refuse(attributes, `there is no type=${type}`);
  }
}

function refuseRest(attributes: Attributes): void {
  const [unknown] = attributes.left.keys();
  if (unknown !== undefined) refuse(attributes, `${unknown} means nothing here`);
}

/** What `--cache-from` may have several times. */
const REPEATED: Readonly<Record<string, string>> = { registry: 'ref', gha: 'scope' };

/** The caches that a `--cache-from` names: `ref`, `name` or `scope` may be there several times. */
function getPlaces(attributes: Attributes, type: string, env: NodeJS.ProcessEnv): CachePlace[] {
  const { left } = attributes;
  const repeated = REPEATED[type] ?? 'name';
  const values = left.get(repeated) ?? [];
  if (values.length < 2) return [getPlace(attributes, type, 'src', env)];
  // Each place is read from the attributes that all of them share.
  const places = values.map((value) => {
    const each = { ...attributes, left: new Map([...left, [repeated, [value]]]) };
    const place = getPlace(each, type, 'src', env);
    return { place, rest: each.left };
  });
  left.clear();
  for (const [name, value] of places[0]?.rest ?? []) left.set(name, value);
  return places.map(({ place }) => place);
}

/**
 * Reads a `--cache-from`: one cache, or several of which the first counts that has a step.
 * @param env for what may come from AWS_* variables
 * @throws UsageError, UnsupportedError, ImageError for a reference that is none
 */
export function parseCacheFrom(text: string, env: NodeJS.ProcessEnv): CacheFromSpec[] {
  const attributes = splitAttributes(text, '--cache-from');
  const type = takeNeeded(attributes, 'type');
  if (type === 'inline') refuse(attributes, 'use type=registry for an image with an inline cache');
  const places = getPlaces(attributes, type, env);
  const shared = {
    required: takeFlag(attributes, 'required'),
    oneOf: places.length > 1,
    trustKeys: takeAll(attributes, 'trust-key'),
    mounts: takeMounts(attributes, true, MOUNTS_FROM),
  };
  refuseRest(attributes);
  return places.map((place) => ({ place, ...shared }));
}

/**
 * Reads a `--cache-to`.
 * @param env for what may come from AWS_* variables
 * @param mounts are cache mounts written when it does not say?
 * @throws UsageError, UnsupportedError, ImageError for a reference that is none
 */
export function parseCacheTo(text: string, env: NodeJS.ProcessEnv, mounts = false): CacheToSpec {
  const attributes = splitAttributes(text, '--cache-to');
  const type = takeNeeded(attributes, 'type');
  // What buildx asks for with these is what wiac always writes.
  for (const name of ['image-manifest', 'oci-mediatypes']) {
    if (!takeFlag(attributes, name, true)) refuse(attributes, `${name}=false is not supported`);
  }
  const spec: CacheToSpec = {
    place: type === 'inline' ? { type } : getPlace(attributes, type, 'dest', env),
    mode: takeOneOf(attributes, 'mode', ['min', 'max']),
    compression: takeOneOf(attributes, 'compression', ['gzip', 'zstd']),
    signKey: take(attributes, 'sign-key'),
    ignoreError: takeFlag(attributes, 'ignore-error'),
    mounts: takeMounts(attributes, mounts, MOUNTS_TO),
    bounds: takeBounds(attributes, type),
  };
  if (type === 'inline' && spec.mounts)
    refuse(attributes, 'an image has no room for cache mounts: use another type for them');
  if (type === 'inline' && spec.mode === 'max')
    refuse(attributes, 'an inline cache has only the layers of its image: use mode=min');
  refuseRest(attributes);
  return spec;
}
