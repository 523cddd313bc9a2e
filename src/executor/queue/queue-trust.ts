/**
 * Who believes whom in a queue, with ed25519 keys: builds sign their jobs, workers sign what a step has come to.
 * Labels bring a job to workers that want its signature; the signature is what counts.
 */
import type { KeyObject } from 'node:crypto';
import { createHash, createPublicKey, sign, verify } from 'node:crypto';
import type { DefinitionKey } from '../../keys/digest.js';
import type { Json } from '../../util/canonical-json.js';
import { canonicalJson } from '../../util/canonical-json.js';
import { QueueError } from '../../util/errors.js';
import type { Announcement, StepMessage, StepOutcome } from './queue-protocol.js';
import { ownQueueName, queueName } from './queue-protocol.js';

/** Hex digits of a key in a label. */
const FINGERPRINT = 16;

/** @param key public or private half */
function fingerprint(key: KeyObject): string {
  const half = key.type === 'private' ? createPublicKey(key) : key;
  const bytes = half.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(bytes).digest('hex').slice(0, FINGERPRINT);
}

/**
 * The label of a job.
 * @param own what the step asks for
 * @param workers key of the only workers that may have it
 * @param build key that the build signs with
 */
export function jobLabel(
  own: string | undefined,
  workers: KeyObject | undefined,
  build: KeyObject | undefined,
): string | undefined {
  const parts = [
    own,
    workers && `key-${fingerprint(workers)}`,
    build && `by-${fingerprint(build)}`,
  ];
  return parts.filter((part) => part !== undefined).join('.') || undefined;
}

/**
 * The labels of jobs that a worker takes. A job has one at most.
 * @param key of its fleet
 * @param trusted keys of the only builds that it works for; none: it works for all that do not sign
 */
export function takenLabels(
  labels: readonly string[],
  key: KeyObject | undefined,
  trusted: readonly KeyObject[],
): readonly string[] {
  const builds = trusted.length > 0 ? trusted : [undefined];
  const fleets = key ? [undefined, key] : [undefined];
  return [undefined, ...labels].flatMap((own) =>
    fleets.flatMap((fleet) => builds.flatMap((build) => jobLabel(own, fleet, build) ?? [])),
  );
}

/** The parts of a label that jobLabel has made; undefined: it has none. Pure. */
export function partsOfLabel(label: string): {
  /** What a user has called it. */
  readonly own: string | undefined;
  /** What stands for the key of the workers. */
  readonly workers: string | undefined;
  /** What stands for the key of the build. */
  readonly build: string | undefined;
} {
  const [, own, workers, build] =
    /^(.*?)(?:(?:^|\.)(key-[0-9a-f]{16}))?(?:(?:^|\.)(by-[0-9a-f]{16}))?$/.exec(label) ?? [];
  return { own: own || undefined, workers, build };
}

/** The queues that a worker serves, its own first. */
export function servedQueues({
  id,
  platforms,
  labels,
  signedOnly,
}: Pick<Announcement, 'id' | 'platforms' | 'labels' | 'signedOnly'>): readonly string[] {
  const all = signedOnly ? labels : [...labels, undefined];
  return [
    ownQueueName(id),
    ...platforms.flatMap((platform) => all.map((label) => queueName(platform, label))),
  ];
}

const jobBytes = (text: string) => Buffer.from(`wiac job 1\n${text}`);

/** A job as it is put into a queue: JSON, and in a line of its own the signature in base64. */
export function signJob(text: string, key: KeyObject | undefined): string {
  return key ? `${text}\n${sign(null, jobBytes(text), key).toString('base64')}` : text;
}

/** Divides a job from its signature, which nobody has checked. JSON as wiac writes it is one line. */
export function splitJob(data: string): { readonly text: string; readonly signature: string } {
  const end = data.indexOf('\n');
  if (end === -1) return { text: data, signature: '' };
  return { text: data.slice(0, end), signature: data.slice(end + 1) };
}

/**
 * @param trusted one of these must have signed it; none: the signature is not checked
 * @throws QueueError
 */
export function checkJob(
  { text, signature }: ReturnType<typeof splitJob>,
  trusted: readonly KeyObject[],
): void {
  if (trusted.length === 0) return;
  const made = Buffer.from(signature, 'base64');
  if (trusted.some((key) => verify(null, jobBytes(text), key, made))) return;
  throw new QueueError('the job is not signed with a key that this worker trusts (--trust-key)', {
    hint: 'sign it with --sign-key FILE',
  });
}

const outcomeBytes = (step: DefinitionKey, outcome: StepOutcome) =>
  Buffer.from(`wiac outcome 1\n${step}\n${canonicalJson(outcome as unknown as Json)}`);

/** A worker's word for what a step has come to. @returns the members of its message */
export function signOutcome(
  step: DefinitionKey,
  outcome: StepOutcome,
  key: KeyObject | undefined,
): Pick<Extract<StepMessage, { type: 'done' }>, 'outcome' | 'signature'> {
  if (!key) return { outcome };
  return { outcome, signature: sign(null, outcomeBytes(step, outcome), key).toString('base64') };
}

/** @param key of the fleet that must have signed it, either half; undefined: anybody counts */
export function isBelieved(
  step: DefinitionKey,
  { outcome, signature = '' }: Extract<StepMessage, { type: 'done' }>,
  key: KeyObject | undefined,
): boolean {
  return !key || verify(null, outcomeBytes(step, outcome), key, Buffer.from(signature, 'base64'));
}
