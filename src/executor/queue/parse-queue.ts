/**
 * Reads what comes from Redis. Whoever reaches the queue can write there, so nothing is used before its shape,
 * its lengths and its keys are checked, as with the list of a shared cache.
 */
import * as v from 'valibot';
import type { SelectionInput } from '../../keys/inputs.js';
import { definitionKey, operationDigest, operationInputs } from '../../keys/inputs.js';
import { isDigest } from '../../oci/blob-digest.js';
import { layerCompression } from '../../oci/media-types.js';
import type { CopyStep, RunResources, RunStep, WorkdirStep } from '../../plan/step.js';
import { QueueError } from '../../util/errors.js';
import type { Users } from '../../util/user-namespace.js';
import { obstacle } from './portable-step.js';
import type { Announcement, ChainJob, StepMessage, WireStep } from './queue-protocol.js';

/** Longest texts and lists that anything honest has. */
const MOST_TEXT = 1 << 20;
const MOST_NAME = 4096;
const MOST_LAYERS = 1000;
const MOST_STEPS = 1000;
const MOST_LINES = 1000;
const MOST_FILES = 100_000;
/** Bytes of one message. */
export const MOST_BYTES = 64 << 20;

const text = v.pipe(v.string(), v.maxLength(MOST_TEXT));
const name = v.pipe(v.string(), v.maxLength(MOST_NAME));
const hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const ociDigest = v.pipe(v.string(), v.maxLength(200), v.check(isDigest));
const base64 = v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]{1,200}={0,2}$/));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const word = v.pipe(v.string(), v.regex(/^[\w.-]{1,64}$/));
/** It is printed. */
const version = v.pipe(v.string(), v.regex(/^[\w.+-]{1,64}$/));
const platform = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9]+\/[a-z0-9_]+(\/[a-z0-9.]+)?$/),
  v.maxLength(64),
);
const list = <Item extends v.GenericSchema>(item: Item, most = MOST_STEPS) =>
  v.pipe(v.array(item), v.maxLength(most));
/** What nobody looks into but who made it, or that counts in a key as it is. */
const json = v.unknown();

const layer = v.strictObject({
  diffId: ociDigest,
  blob: v.strictObject({
    mediaType: v.pipe(
      name,
      v.check((type) => layerCompression(type) !== undefined),
    ),
    digest: ociDigest,
    size: count,
  }),
  digest: v.optional(hex),
  newest: v.optional(v.pipe(v.number(), v.safeInteger())),
});
const layers = list(layer, MOST_LAYERS);

const location = v.strictObject({ file: name, line: count, column: count, endLine: count });

/** A schema for each member, or it does not compile: what is not here no worker takes. */
type Members<T> = { readonly [Name in keyof T]-?: v.GenericSchema };

type Mount<Kind> = Extract<RunStep['mounts'][number], { readonly type: Kind }>;

const stepBase = {
  id: word,
  parent: v.optional(word),
  reads: list(word),
  text,
  stage: name,
  platform,
  location,
};

const owner = { mode: count, uid: count, gid: count };
const ownerIfGiven = { mode: v.optional(count), uid: v.optional(count), gid: v.optional(count) };
const mount = v.variant('type', [
  v.strictObject({
    type: v.literal('bind'),
    target: name,
    from: v.optional(name),
    source: name,
    readOnly: v.boolean(),
  } satisfies Members<Mount<'bind'>>),
  v.strictObject({
    type: v.literal('cache'),
    target: name,
    id: name,
    sharing: v.picklist(['shared', 'private', 'locked']),
    from: v.optional(name),
    source: name,
    readOnly: v.boolean(),
    ...ownerIfGiven,
  } satisfies Members<Mount<'cache'>>),
  v.strictObject({
    type: v.literal('tmpfs'),
    target: name,
    size: v.optional(count),
    readOnly: v.boolean(),
  } satisfies Members<Mount<'tmpfs'>>),
  v.strictObject({
    type: v.literal('secret'),
    id: name,
    target: v.optional(name),
    env: v.optional(name),
    required: v.boolean(),
    ...owner,
  } satisfies Members<Mount<'secret'>>),
]);

const run = v.strictObject({
  ...stepBase,
  kind: v.literal('run'),
  argv: list(text),
  env: list(v.strictTuple([name, text])),
  hiddenEnv: list(v.strictTuple([name, text])),
  script: v.optional(text),
  workdir: name,
  user: name,
  mounts: list(mount),
  mountSources: list(v.nullish(count)),
  network: v.picklist(['default', 'none']),
  security: v.literal('sandbox'),
  resources: v.strictObject({
    extraHosts: list(name),
    shmSize: count,
    ulimits: list(v.strictObject({ resource: count, soft: v.number(), hard: v.number() })),
    noHosts: v.optional(v.literal(true)),
    resolver: v.optional(
      v.union([
        v.literal('none'),
        v.strictObject({ servers: list(name), search: list(name), options: list(name) }),
      ]),
    ),
    users: v.optional(v.strictObject({ uids: name, gids: name } satisfies Members<Users>)),
  } satisfies Members<Omit<RunResources, 'capabilities' | 'volumes'>>),
} satisfies Members<RunStep>);

const copy = v.strictObject({
  ...stepBase,
  kind: v.literal('copy'),
  from: word,
  context: v.literal(''),
  sources: list(name),
  literal: v.optional(v.literal(true)),
  inline: list(v.strictObject({ name, content: text })),
  destination: name,
  chown: v.optional(name),
  chmod: v.optional(name),
  parents: v.boolean(),
  exclude: list(name),
  link: v.boolean(),
  unpack: v.picklist(['never', 'detect']),
} satisfies Members<CopyStep>);

const workdir = v.strictObject({
  ...stepBase,
  kind: v.literal('workdir'),
  path: name,
  user: name,
} satisfies Members<WorkdirStep>);

const selection = v.strictObject({
  path: name,
  kind: v.picklist(['file', 'directory']),
  tree: hex,
  below: name,
  directory: v.optional(v.strictObject(owner)),
  ways: v.optional(list(v.strictObject(owner))),
  links: v.optional(list(list(name, MOST_FILES), MOST_FILES)),
} satisfies Members<SelectionInput>);

const wireStep = v.strictObject({
  key: hex,
  operation: hex,
  inputs: v.strictObject({
    version: count,
    kind: v.picklist(['run', 'copy', 'workdir']),
    platform,
    operands: v.record(v.string(), json),
    text,
    files: list(selection, MOST_FILES),
    parents: list(hex),
  }),
  step: v.variant('kind', [run, copy, workdir]),
  reads: list(layers),
  skipsCache: v.boolean(),
});

const job = v.strictObject({
  protocol: count,
  wiac: version,
  base: layers,
  steps: v.pipe(list(wireStep), v.minLength(1)),
});

const failure = v.strictObject({
  code: word,
  message: text,
  hint: v.optional(text),
  location: v.optional(location),
  exitCode: v.optional(count),
  lastLines: v.optional(list(text)),
});

const ground = {
  base: list(ociDigest, MOST_LAYERS),
  beside: list(list(ociDigest, MOST_LAYERS)),
};

const message = v.variant('type', [
  v.strictObject({ type: v.literal('queued') }),
  v.strictObject({ type: v.literal('started'), worker: word }),
  v.strictObject({
    type: v.literal('asks'),
    worker: word,
    request: v.strictObject({ key: base64, signature: base64 }),
  }),
  v.strictObject({ type: v.literal('output'), before: count, lines: list(text, MOST_LINES) }),
  v.strictObject({
    type: v.literal('done'),
    worker: word,
    outcome: v.strictObject({
      ...ground,
      layer: v.optional(layer),
      contentKey: v.optional(hex),
      files: list(selection, MOST_FILES),
      reads: v.optional(json),
      measures: v.strictObject({ files: count, bytes: count, disk: count }),
      cached: v.optional(v.boolean()),
    }),
    signature: v.optional(base64),
  }),
  v.strictObject({
    type: v.literal('failed'),
    worker: word,
    ground: v.optional(v.strictObject(ground)),
    failure,
  }),
  v.strictObject({ type: v.literal('given back'), worker: word }),
]);

const announcement = v.strictObject({
  protocol: count,
  wiac: version,
  id: word,
  name: word,
  platforms: list(platform),
  labels: list(v.pipe(v.string(), v.regex(/^[\w.-]{1,100}$/))),
  signedOnly: v.optional(v.boolean()),
  slots: count,
  running: list(hex),
  done: count,
});

function parse<Schema extends v.GenericSchema>(
  schema: Schema,
  given: string,
  what: string,
): v.InferOutput<Schema> {
  if (given.length > MOST_BYTES) throw new QueueError(`${what} in the queue is too long`);
  let value: unknown;
  try {
    value = JSON.parse(given);
  } catch (cause) {
    throw new QueueError(`${what} in the queue is no JSON`, { cause });
  }
  const { success, output, issues } = v.safeParse(schema, value);
  if (success) return output;
  const [issue] = issues;
  const path = issue && v.getDotPath(issue);
  throw new QueueError(`${what} in the queue is none: ${path ?? 'it'} is not as it should be`);
}

/** A step whose key does not belong to it would stand for what it did not make. */
function checkKeys({ key, operation, inputs, step, reads }: WireStep): void {
  const why = obstacle(step, true);
  if (why !== undefined) throw new QueueError(`${why} can't come from a queue`);
  const files = inputs.operands.fromStep === true ? [] : inputs.files;
  if (
    operation !== operationDigest(operationInputs(step)) ||
    operation !== operationDigest(inputs) ||
    key !== definitionKey(operation, files, inputs.parents) ||
    reads.length !== step.reads.length
  )
    throw new QueueError(`a step in the queue contradicts its key ${key}`);
}

/** The version of a job, whatever else is in it. @throws QueueError */
export function parseVersion(given: string): Pick<ChainJob, 'protocol' | 'wiac'> {
  return parse(v.object({ protocol: count, wiac: version }), given, 'a job');
}

/** @throws QueueError for anything that is no job */
export function parseJob(given: string): ChainJob {
  const chain = parse(job, given, 'a job') as unknown as ChainJob;
  chain.steps.forEach(checkKeys);
  const [, ...further] = chain.steps;
  for (const [at, { inputs, reads }] of further.entries())
    if (inputs.parents[0] !== chain.steps[at]?.key || reads.length > 0)
      throw new QueueError('the steps of a job in the queue do not follow each other');
  return chain;
}

/** @throws QueueError for anything that is no event of a step */
export function parseMessage(given: string): StepMessage {
  return parse(message, given, "a step's event") as unknown as StepMessage;
}

/** @throws QueueError for anything that no worker says of itself */
export function parseAnnouncement(given: string): Announcement {
  return parse(announcement, given, "a worker's announcement");
}

/** What any worker of any version says of itself, or undefined. */
export function parseStranger(
  given: string,
): Pick<Announcement, 'name' | 'protocol' | 'wiac'> | undefined {
  try {
    return parse(v.object({ protocol: count, wiac: version, name: word }), given, 'it');
  } catch {
    return undefined;
  }
}
