/** Which failures are worth another attempt, and when. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Bounds of repetition. */
export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly attempts: number;
  /** Milliseconds before the second attempt; doubles with each one after. */
  readonly firstDelay: number;
  /** Milliseconds; the longest pause, whatever the registry asks for. */
  readonly longestDelay: number;
  /** Milliseconds until a server that sends nothing counts as gone; a minute unless given. */
  readonly silence?: number;
  /** Milliseconds: so long after the first attempt a connection that failed is not made again. Undefined: attempts alone count. */
  readonly patience?: number;
  /** Milliseconds that a short answer may take as a whole; see readBody. */
  readonly longestAnswer?: number;
  /** Bytes a second: blobs that come more slowly are given up; see paced. */
  readonly slowest?: number;
  /** Waits; replaced in tests. */
  readonly wait: (milliseconds: number) => Promise<void>;
  /** 0 to 1; replaced in tests. */
  readonly random: () => number;
}

export const DEFAULT_RETRY: RetryPolicy = {
  attempts: 5,
  firstDelay: 300,
  longestDelay: 60_000,
  wait: async (milliseconds) => {
    await sleep(milliseconds);
  },
  random: Math.random,
};

const TRANSIENT_STATUS = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Whether the same request may succeed later (RFC 9110, RFC 6585). */
export function isTransientStatus(status: number): boolean {
  return TRANSIENT_STATUS.has(status);
}

const TRANSIENT_CODES = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_SOCKET',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'HPE_INVALID_EOF_STATE',
]);

interface ErrorLike {
  readonly code?: unknown;
  readonly cause?: unknown;
  readonly errors?: unknown;
}

/** Codes of an error, of what it gathers (AggregateError) and of what caused it. */
export function errorCodes(error: unknown): string[] {
  if (typeof error !== 'object' || error === null) return [];
  const { code, cause, errors } = error as ErrorLike;
  const gathered = Array.isArray(errors) ? errors.flatMap(errorCodes) : [];
  return [...(typeof code === 'string' ? [code] : []), ...gathered, ...errorCodes(cause)];
}

/** Whether a connection failed in a way that may pass. */
export function isTransientError(error: unknown): boolean {
  return errorCodes(error).some((code) => TRANSIENT_CODES.has(code));
}

/**
 * Whether to connect again after an attempt that failed. Attempts at a server that is silent take a minute each: who
 * can do without it does not wait for all of them.
 * @param made attempts so far, from 1
 * @param waited milliseconds since the first one began
 */
export function mayReconnect(
  error: unknown,
  made: number,
  waited: number,
  { attempts, patience = Number.POSITIVE_INFINITY }: RetryPolicy,
): boolean {
  return made < attempts && waited < patience && isTransientError(error);
}

/** Milliseconds. */
const SILENCE_MS = 60_000;
/** Milliseconds: the longest that a server may need for what it was sent. */
const STORED_MS = 10 * 60_000;
/** Bytes a millisecond that it reads again at least. */
const STORED_SPEED = 10_000;

/** Milliseconds until a silent server counts as gone. */
export function silenceOf({ silence = SILENCE_MS }: Partial<RetryPolicy>): number {
  return silence;
}

/**
 * The same for the answer to a whole blob: a server may read all of it again before.
 * @param bytes of the blob, where that is known
 */
export function silenceAfter(policy: RetryPolicy, bytes = Number.POSITIVE_INFINITY): number {
  if (policy.patience === undefined) return STORED_MS;
  return Math.min(STORED_MS, silenceOf(policy) + bytes / STORED_SPEED);
}

/**
 * Reads Retry-After (RFC 9110, section 10.2.3): seconds, or a date.
 * @param now milliseconds since 1970
 * @returns milliseconds, undefined when the header says nothing
 */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/**
 * The pause before the next attempt: what the registry asks for, else exponential with half of it
 * at random, so that many clients do not come back at the same moment.
 * @param attempt number of attempts made so far, from 1
 * @returns milliseconds
 */
export function retryDelay(
  attempt: number,
  retryAfter: number | undefined,
  policy: RetryPolicy,
): number {
  const backOff = policy.firstDelay * 2 ** (attempt - 1) * (0.5 + policy.random() / 2);
  return Math.min(retryAfter ?? backOff, policy.longestDelay);
}
