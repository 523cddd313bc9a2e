/** Turns answers and failures of a registry into messages that say what to do. */
import { getMessage, ImageError } from '../image-error.js';
import type { RegistryResponse } from './exchange.js';
import { proxyStatus } from './proxy-status.js';
import { readBody } from './read-body.js';
import { errorCodes } from './retry.js';
import { serverWords } from './server-words.js';

const MAX_ERROR_BYTES = 64 * 1024;
/** What a server says of an error is worth so much time. */
const ERROR_MS = 10_000;

interface SpecError {
  readonly code?: unknown;
  readonly message?: unknown;
}

/** What a registry says about a request that failed. */
export interface Refusal {
  /** Of the distribution-spec, "Error Codes": `BLOB_UNKNOWN`; empty when the answer has none. */
  readonly codes: readonly string[];
  /** For messages; may be empty. */
  readonly text: string;
}

/** Reads the body of an answer that was not expected. */
export async function readRefusal(response: RegistryResponse): Promise<Refusal> {
  let text: string;
  try {
    text = (await readBody(response, MAX_ERROR_BYTES, 'error', ERROR_MS)).toString();
  } catch {
    return { codes: [], text: '' };
  }
  try {
    const { errors = [] } = JSON.parse(text) as { errors?: readonly SpecError[] };
    const said = errors.map(({ code, message }) =>
      [code, message].filter((part) => typeof part === 'string' && part !== '').join(' '),
    );
    const codes = errors.flatMap(({ code }) => (typeof code === 'string' ? [code] : []));
    return { codes, text: serverWords([...new Set(said)].join('; ')) };
  } catch {
    // Other servers answer with pages of HTML, which are no help in a message.
    return { codes: [], text: /^\s*</.test(text) ? '' : serverWords(text) };
  }
}

function hintFor(status: number, registry: string): string | undefined {
  switch (status) {
    case 401:
      return `log in with \`wiac login ${registry}\``;
    case 403:
      return `log in with \`wiac login ${registry}\` as a user who has that permission`;
    case 404:
      return 'check the name and the tag; a private image may need `wiac login`';
    case 429:
      return 'the registry limits requests; wait, log in, or use a mirror (WIAC_REGISTRY_MIRRORS)';
    default:
      return status >= 500 ? 'the registry has trouble; try again later' : undefined;
  }
}

/** The error for an answer that was not expected. */
export function statusError(
  response: RegistryResponse,
  { text: said }: Refusal,
  registry: string,
  what: string,
): ImageError {
  const server = response.url.host === registry ? '' : ` (${response.url.host})`;
  const message = `${what}: registry ${registry}${server} answered ${response.status}`;
  return new ImageError(said === '' ? message : `${message}: ${said}`, {
    registry,
    status: response.status,
    hint: hintFor(response.status, registry),
  });
}

/**
 * The URL in a header of an answer: `Location`, `Link`.
 * @throws ImageError for one that can't be asked
 */
export function headerUrl(
  text: string,
  response: Pick<RegistryResponse, 'url' | 'status'>,
  registry: string,
  what: string,
): URL {
  const url = URL.canParse(text, response.url.href) ? new URL(text, response.url) : undefined;
  if (url && /^https?:$/.test(url.protocol)) return url;
  throw new ImageError(`${what}: registry ${registry} leads to what is no URL of HTTP: ${text}`, {
    registry,
    status: response.status,
    hint: 'something between here and the registry may write wrong headers: look at its proxy',
  });
}

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME/;
const FILE = /^(?:ENOENT|EACCES|EISDIR|EIO|EMFILE)$/;
const NOT_TLS = /^(?:EPROTO|ERR_SSL_)/;

function explain(codes: readonly string[], registry: string): { said?: string; hint: string } {
  const has = (pattern: RegExp) => codes.some((code) => pattern.test(code));
  if (has(CERTIFICATE))
    return {
      hint: `trust its authority with WIAC_REGISTRY_CA=FILE, or any with WIAC_INSECURE_REGISTRIES=${registry}`,
    };
  if (has(NOT_TLS))
    return {
      // OpenSSL's own words are of no help to users.
      said: 'it does not speak TLS',
      hint: `if it speaks http, set WIAC_INSECURE_REGISTRIES=${registry}`,
    };
  if (has(/^ENOTFOUND$/)) return { hint: 'check the name of the registry' };
  return { hint: 'check the network and that the registry runs' };
}

function explainProxy(status: number) {
  const hint =
    status === 407
      ? 'give it a user and password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT'
      : 'check HTTPS_PROXY, and NO_PROXY for what needs no proxy';
  return { said: `its proxy answered ${status}`, hint };
}

/** The error for a connection that could not be made, or broke. */
export function connectionError(error: unknown, registry: string, what: string): ImageError {
  const codes = errorCodes(error);
  // The content of a push comes from a file, which can be missing or unreadable, too.
  if (codes.some((code) => FILE.test(code)))
    return new ImageError(`${what}: ${getMessage(error)}`, { cause: error });
  const refused = proxyStatus(error);
  const { said, hint } = refused === undefined ? explain(codes, registry) : explainProxy(refused);
  const text = said ?? (getMessage(error) || codes.join(', '));
  return new ImageError(`${what}: no connection to registry ${registry}: ${text}`, {
    registry,
    hint,
    cause: error,
  });
}
