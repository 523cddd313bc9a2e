/** `type=gha` of --cache-to and --cache-from: attributes as docker buildx has them. */
import { createHash } from 'node:crypto';
import { parseDuration } from '../dockerfile/duration.js';
import type { Refuse } from '../util/csv-attributes.js';
import { isHttpUrl } from '../util/http-url.js';

/** A cache of GitHub's cache service. */
export interface GhaPlace {
  readonly type: 'gha';
  /** Without a slash at its end. */
  readonly url: string;
  readonly token: string;
  /** Name of the cache among those that share the blobs. */
  readonly scope: string;
  /** Writing all of it, or reading one blob, may take so long. */
  readonly timeoutMs: number;
  /** What entries of others, with the same keys by chance, do not have. */
  readonly version: string;
}

/** As buildx. */
const USUAL_TIMEOUT_MS = 10 * 60_000;

/** The service takes keys of 512 characters. */
const MAX_SCOPE = 400;

const FROM_A_STEP =
  'steps with `run:` do not get it: use the action of this repository, or one that exports ' +
  'ACTIONS_RUNTIME_TOKEN and ACTIONS_RESULTS_URL to the steps after it';

/** Of what the service keeps only entries of one format are looked at. */
const VERSION = createHash('sha256').update('wiac cache v1').digest('hex');

/**
 * Reads the attributes of a place.
 * @param take gives an attribute's value, and counts as having used it
 * @throws what refuse throws
 */
export function ghaPlace(
  take: (name: string) => string | undefined,
  env: NodeJS.ProcessEnv,
  refuse: Refuse,
): GhaPlace {
  const version = take('version');
  if (version !== undefined && version !== '2')
    refuse(`version=${version} is not supported`, 'GitHub has switched it off: leave it out');
  // What buildx asks GitHub's API for with these, to spare requests, is not asked here.
  for (const name of ['url', 'ghtoken', 'repository']) take(name);
  const usual = env.ACTIONS_RESULTS_URL || undefined;
  const url = take('url_v2') ?? usual;
  // The token of the job is for its own service: a bake file may name any other one.
  const isOther = url !== usual;
  const token = take('token') ?? (isOther ? undefined : env.ACTIONS_RUNTIME_TOKEN || undefined);
  if (url === undefined)
    return refuse('url_v2 is missing, and $ACTIONS_RESULTS_URL is not set', FROM_A_STEP);
  if (!isHttpUrl(url)) return refuse(`url_v2 ${url} is no URL`);
  if (token === undefined && isOther)
    return refuse('token is missing: $ACTIONS_RUNTIME_TOKEN is for $ACTIONS_RESULTS_URL alone');
  if (token === undefined)
    return refuse('token is missing, and $ACTIONS_RUNTIME_TOKEN is not set', FROM_A_STEP);
  if (!/^[\x21-\x7e]+$/.test(token)) return refuse('token has characters that no token has');
  const scope = take('scope') ?? 'wiac';
  if (encodeURIComponent(scope).length > MAX_SCOPE) return refuse('scope is too long');
  const timeout = take('timeout');
  const nanoseconds = timeout === undefined ? undefined : parseDuration(timeout);
  if (timeout !== undefined && !(nanoseconds !== undefined && nanoseconds > 0))
    return refuse('timeout is a duration: 90s, 10m, 1h30m');
  const timeoutMs = Math.min(
    nanoseconds === undefined ? USUAL_TIMEOUT_MS : Math.ceil(nanoseconds / 1e6),
    2 ** 31 - 1,
  );
  return {
    type: 'gha',
    url: url.replace(/\/+$/, ''),
    token,
    scope,
    timeoutMs,
    version: VERSION,
  };
}

/** For messages. */
export function ghaTitle({ scope }: GhaPlace): string {
  return `gha:${scope}`;
}
