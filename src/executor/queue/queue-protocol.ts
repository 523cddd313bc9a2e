/**
 * What coordinators (`wiac build --queue`) and workers (`wiac worker`) say to each other through Redis: the
 * names of its keys, and what is in them. docs/queue.md is the specification. All of it is plain JSON; who
 * reads it goes through parse-queue.ts.
 */
import type { ContentKey, DefinitionKey, LayerDigest, OperationDigest } from '../../keys/digest.js';
import type { KeyedStep, SelectionInput, StepInputs } from '../../keys/inputs.js';
import type { Json } from '../../util/canonical-json.js';
import type { SourceLocation } from '../../util/errors.js';
import { VERSION } from '../../util/version.js';
import type { SecretRequest } from './sealed-secrets.js';

/** Counts up when a message changes. Part of the name of every queue: no worker is given what it can't read. */
export const PROTOCOL = 1;

/** Who may talk to whom: a step's result belongs to the version that made it. */
export const OWN_VERSION = { protocol: PROTOCOL, wiac: VERSION };

/** What all keys in Redis begin with. */
export const PREFIX = 'wiac';

/** Names of keys. Nothing that goes into them comes from Redis. */
export const KEYS = {
  /** BullMQ puts a colon and the queue's name behind it. */
  queues: `${PREFIX}:queue`,
  workers: `${PREFIX}:workers`,
  worker: (id: string) => `${PREFIX}:worker:${id}`,
  lease: (key: DefinitionKey) => `${PREFIX}:lease:${key}`,
  step: (key: DefinitionKey) => `${PREFIX}:step:${key}`,
  starts: (key: DefinitionKey) => `${PREFIX}:starts:${key}`,
  wanted: (key: DefinitionKey) => `${PREFIX}:wanted:${key}`,
  /** Sealed secrets for one worker and one step. */
  secret: (name: string) => `${PREFIX}:secret:${name}`,
  /** The queue that a chain which begins with the step was put into. */
  sent: (key: DefinitionKey) => `${PREFIX}:sent:${key}`,
  /** Ids of workers that hold a layer. */
  holders: (diffId: string) => `${PREFIX}:holders:${diffId}`,
  wake: (id: string) => `${PREFIX}:wake:${id}`,
};

/** How long a step's events are kept after its end, and how long what its makers left behind. Seconds. */
export const KEPT_S = 3600;

/** What BullMQ keeps of a queue that is empty, and would keep for ever. */
export const LEFT_OVER = ['events', 'id', 'marker', 'meta'];

/** How long it is known which workers hold a layer, since the last one of them used it. Seconds. */
export const HOLDERS_KEPT_S = 86_400;

/** Always among those who wait for a step, so that a set that Redis has lost is told from an empty one. */
export const NOBODY = '-';

/** Sealed secrets that nobody has taken are removed after so long. Seconds. */
export const SECRET_S = 60;

/** A step that was begun so often and never ended is given up. */
export const MOST_STARTS = 3;

/** Events that are kept of one step: a program that writes more loses the first lines of late listeners. */
export const MOST_EVENTS = 20_000;

/** A layer as a blob of the place that coordinators and workers share. */
export interface WireLayer {
  readonly diffId: string;
  /** The compressed archive. */
  readonly blob: {
    readonly mediaType: string;
    readonly digest: string;
    /** Bytes. */
    readonly size: number;
  };
  /** Digest of its files, as content keys have it. */
  readonly digest?: LayerDigest;
  /** Newest time of a file in it, seconds since the epoch. */
  readonly newest?: number;
}

/** A step that is to be carried out. */
export interface WireStep {
  readonly key: DefinitionKey;
  readonly operation: OperationDigest;
  readonly inputs: StepInputs;
  readonly step: KeyedStep;
  /** For each step that it reads files of: the layers of that, bottom first. */
  readonly reads: readonly (readonly WireLayer[])[];
  /** It is to be run although a cache may have it. */
  readonly skipsCache: boolean;
}

/** Steps that follow each other, each on what the one before it has made. */
export interface ChainJob {
  readonly protocol: number;
  readonly wiac: string;
  /** Bottom first. */
  readonly base: readonly WireLayer[];
  readonly steps: readonly WireStep[];
}

/** The layers that a step was made on, as diffIDs, bottom first. The same step may stand on others elsewhere. */
export interface Ground {
  readonly base: readonly string[];
  /** For each step that it reads files of. */
  readonly beside: readonly (readonly string[])[];
}

/** What a step has come to. */
export interface StepOutcome extends Ground {
  /** Left out when the step left no layer. */
  readonly layer?: WireLayer;
  readonly contentKey?: ContentKey;
  /** COPY: what it took. */
  readonly files: readonly SelectionInput[];
  /** The part of the layers below that it read, if not all of them. */
  readonly reads?: Json;
  readonly measures: { readonly files: number; readonly bytes: number; readonly disk: number };
  /** The worker did not run it: it had the layer, or found one that was made of the same files. */
  readonly cached?: boolean;
}

/** Why a step failed, as the error said it. */
export interface WireFailure {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly location?: SourceLocation;
  /** STEP_FAILED */
  readonly exitCode?: number;
  readonly lastLines?: readonly string[];
}

/** One entry of a step's stream. */
export type StepMessage =
  /** Somebody wants it. */
  | { readonly type: 'queued' }
  | { readonly type: 'started'; readonly worker: string }
  /** It needs the step's secrets. */
  | { readonly type: 'asks'; readonly worker: string; readonly request: SecretRequest }
  /** `before`: how many lines this worker has said before. */
  | { readonly type: 'output'; readonly before: number; readonly lines: readonly string[] }
  | {
      readonly type: 'done';
      readonly worker: string;
      readonly outcome: StepOutcome;
      /** By the fleet's key, over the step and the outcome; base64. */
      readonly signature?: string;
    }
  | {
      readonly type: 'failed';
      readonly worker: string;
      /** Left out where the job itself was refused: nobody knows what it was to stand on. */
      readonly ground?: Ground;
      readonly failure: WireFailure;
    }
  /** The worker ends before the step does. */
  | { readonly type: 'given back'; readonly worker: string };

/** What a worker says of itself, again and again. */
export interface Announcement {
  readonly protocol: number;
  readonly wiac: string;
  readonly id: string;
  readonly name: string;
  readonly platforms: readonly string[];
  readonly labels: readonly string[];
  /** It takes only jobs with one of its labels, which are signed with a key that it trusts. */
  readonly signedOnly?: boolean | undefined;
  readonly slots: number;
  /** What it is at: definition keys. */
  readonly running: readonly string[];
  /** How many steps it has carried out. */
  readonly done: number;
}

/**
 * The queue that steps of a platform go to.
 * @param platform `os/architecture[/variant]`
 */
export function queueName(platform: string, label?: string): string {
  const own = [platform.replaceAll('/', '-'), ...(label === undefined ? [] : [label])].join('+');
  return versioned(own);
}

/** The queue of one worker. */
export function ownQueueName(worker: string): string {
  return versioned(`at-${worker}`);
}

function versioned(name: string): string {
  const { protocol, wiac } = OWN_VERSION;
  return `v${protocol}-${wiac}-${name}`;
}
