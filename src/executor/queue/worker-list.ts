/** Which workers are there, from what they say of themselves. */
import type { Redis } from 'ioredis';
import { QueueError } from '../../util/errors.js';
import { parseAnnouncement, parseStranger } from './parse-queue.js';
import type { Announcement } from './queue-protocol.js';
import { KEYS, OWN_VERSION } from './queue-protocol.js';
import { partsOfLabel } from './queue-trust.js';

/** Workers that are alive. */
export interface WorkerList {
  /** Of this version. */
  readonly own: readonly Announcement[];
  /** Ids of those that were not heard of any more. */
  readonly gone: readonly string[];
  /** Of other versions. */
  readonly strangers: readonly Pick<Announcement, 'name' | 'protocol' | 'wiac'>[];
}

/** An id as workers make them; anything else in the set is not asked for. */
const WORKER_ID = /^[\w.-]{1,64}$/;

/** @returns undefined for what no worker says: who writes it must not stop the builds of others */
function parseOwn(text: string): Announcement | undefined {
  try {
    return parseAnnouncement(text);
  } catch {
    return undefined;
  }
}

/** Those whose announcement has not expired. */
export async function listWorkers(redis: Redis): Promise<WorkerList> {
  const ids = (await redis.smembers(KEYS.workers)).filter((id) => WORKER_ID.test(id)).sort();
  if (ids.length === 0) return { own: [], strangers: [], gone: [] };
  const texts = await redis.mget(ids.map(KEYS.worker));
  const gone = ids.filter((_, at) => texts[at] === null);
  const there = texts.filter((text) => text !== null);
  const known = there.map((text) => ({ text, said: parseStranger(text) }));
  const byName = (a: { readonly name: string }, b: { readonly name: string }) =>
    a.name < b.name ? -1 : 1;
  const isOwn = (said: Pick<Announcement, 'protocol' | 'wiac'>) =>
    said.protocol === OWN_VERSION.protocol && said.wiac === OWN_VERSION.wiac;
  return {
    gone,
    own: known
      .flatMap(({ text, said }) => (said && isOwn(said) && parseOwn(text)) || [])
      .sort(byName),
    strangers: known.flatMap(({ said }) => (said && !isOwn(said) ? [said] : [])).sort(byName),
  };
}

function describeVersion({ wiac, protocol }: Pick<Announcement, 'protocol' | 'wiac'>): string {
  return `wiac ${wiac} (protocol ${protocol})`;
}

/** Does a worker take such steps? */
export function fits(
  { platforms, labels, signedOnly }: Pick<Announcement, 'platforms' | 'labels' | 'signedOnly'>,
  platform: string,
  label: string | undefined,
): boolean {
  return (
    platforms.includes(platform) && (label === undefined ? !signedOnly : labels.includes(label))
  );
}

/** Workers are there, and would not have it for want of a key; undefined: that is not the reason. */
function missingTrust(
  own: readonly Announcement[],
  platform: string,
  label: string | undefined,
): QueueError | undefined {
  const keys = label === undefined ? undefined : partsOfLabel(label);
  const there = own.filter(({ platforms }) => platforms.includes(platform));
  // Keys are not what is missing.
  if (there.length === 0) return undefined;
  const names = there.map(({ name }) => name).join(', ');
  const has = (key: string) =>
    there.some(({ labels }) => labels.some((one) => one.split('.').includes(key)));
  if (keys?.build && !has(keys.build))
    return new QueueError(
      `no worker for ${platform} is in the queue that trusts the key of this build (--sign-key)`,
      { hint: 'start one with --trust-key and the public half of that key' },
    );
  if (!keys?.build && there.every(({ signedOnly }) => signedOnly))
    return new QueueError(
      `${names}: takes only builds that are signed with a key it trusts (--trust-key)`,
      { hint: 'sign this one: --sign-key FILE' },
    );
  if (keys?.workers && !has(keys.workers))
    return new QueueError(
      `no worker for ${platform} is in the queue that has the key of --worker-key`,
      { hint: 'start one with --key and the private half of that key' },
    );
  if (keys?.workers && keys.build && keys.own === undefined)
    return new QueueError(
      `no worker for ${platform} is in the queue that has the key of --worker-key and trusts that of --sign-key as well`,
      { hint: 'start one with --key and --trust-key' },
    );
  return undefined;
}

/** What to do about a step that nobody would take; undefined: somebody would. Pure. */
export function missingWorker(
  { own, strangers }: Pick<WorkerList, 'own' | 'strangers'>,
  platform: string,
  label?: string,
): QueueError | undefined {
  if (own.some((worker) => fits(worker, platform, label))) return undefined;
  const named = label === undefined ? undefined : partsOfLabel(label).own;
  const hint = `start one: wiac worker --queue URL --cache REF${named === undefined ? '' : ` --label ${named}`}; or build here: --queue-fallback=local`;
  const distrust = own.length === 0 ? undefined : missingTrust(own, platform, label);
  if (distrust) return distrust;
  const what = named === undefined ? platform : `${platform} with the label ${named}`;
  const [stranger] = strangers;
  if (own.length > 0) {
    const there = [...new Set(own.flatMap(({ platforms }) => platforms))].sort().join(', ');
    return new QueueError(`no worker for ${what} is in the queue: they are for ${there}`, { hint });
  }
  if (stranger)
    return new QueueError(
      `no worker of ${describeVersion(OWN_VERSION)} is in the queue: ${stranger.name} is ${describeVersion(stranger)}`,
      { hint: 'use the same version of wiac for builds and workers' },
    );
  return new QueueError(`no worker for ${what} is in the queue`, { hint });
}
