/**
 * Answers a registry's challenge: basic authentication (RFC 7617) or the bearer tokens of the
 * distribution project's token server (distribution-spec leaves it open; registries follow
 * Docker's "Token Authentication" and "OAuth2" specifications).
 */
import { ImageError } from '../image-error.js';
import { type Challenge, parseChallenges } from './challenge.js';
import type { Credentials } from './credentials.js';

/** A request to a token server; its answer's body is JSON. */
export interface TokenRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What authentication needs of its surroundings. */
export interface AuthContext {
  /** For messages. */
  readonly registry: string;
  readonly credentials: () => Promise<Credentials | undefined>;
  /** Whether secrets may go over http. */
  readonly mayUseHttp: boolean;
  /** @throws ImageError when the answer's status is not 200 */
  readonly send: (request: TokenRequest) => Promise<unknown>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Authentication of one client. */
export interface Authenticator {
  /** Value of Authorization for a request, undefined as long as none was asked for. */
  header(scopes: readonly string[]): Promise<string | undefined>;
  /**
   * Takes note of a 401.
   * @param sent the Authorization that was refused
   * @throws ImageError when there is nothing that we could send instead
   */
  challenged(header: string | undefined, sent: string | undefined): void;
}

/** Docker's specification: a token without `expires_in` is valid for a minute. */
const DEFAULT_LIFETIME = 60;
/** Share of its lifetime after which a token is not used any more. */
const USABLE_SHARE = 0.8;

interface Token {
  readonly header: string;
  /** Milliseconds since 1970. */
  readonly usableUntil: number;
}

function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function readToken(answer: unknown, registry: string, now: number): Token {
  const { token, access_token, expires_in } = (answer ?? {}) as Record<string, unknown>;
  const value = typeof token === 'string' && token !== '' ? token : access_token;
  if (typeof value !== 'string' || value === '' || /[\r\n]/.test(value))
    throw new ImageError(`the token server of ${registry} gave no token`, { registry });
  const lifetime = typeof expires_in === 'number' && expires_in > 0 ? expires_in : DEFAULT_LIFETIME;
  return { header: `Bearer ${value}`, usableUntil: now + lifetime * 1000 * USABLE_SHARE };
}

function tokenUrl(challenge: Challenge, context: AuthContext): URL {
  const realm = challenge.parameters.get('realm') ?? '';
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  const { registry } = context;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new ImageError(`registry ${registry} names no token server: realm="${realm}"`, {
      registry,
    });
  if (url.protocol === 'http:' && !context.mayUseHttp)
    throw new ImageError(`registry ${registry} wants credentials sent over http to ${url.host}`, {
      registry,
      hint: `if you trust the network, set WIAC_INSECURE_REGISTRIES=${registry}`,
    });
  return url;
}

/** The request for a token: GET, or POST when there is a refresh token. */
function tokenRequest(
  challenge: Challenge,
  scopes: readonly string[],
  credentials: Credentials | undefined,
  context: AuthContext,
): TokenRequest {
  const url = tokenUrl(challenge, context);
  const service = challenge.parameters.get('service');
  if (credentials?.kind === 'identity-token') {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: 'wiac',
      refresh_token: credentials.token,
      scope: scopes.join(' '),
    });
    if (service !== undefined) form.set('service', service);
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return { method: 'POST', url, headers, body: form.toString() };
  }
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  if (credentials === undefined) return { method: 'GET', url, headers: {} };
  url.searchParams.set('account', credentials.username);
  const authorization = basic(credentials.username, credentials.password);
  return { method: 'GET', url, headers: { authorization } };
}

/**
 * Authentication that learns what a registry wants from its first 401, and gets a token for each
 * set of scopes once.
 */
export function openAuthenticator(context: AuthContext): Authenticator {
  const { registry } = context;
  const tokens = new Map<string, Promise<Token>>();
  /** What a registry did not take: requests that were sent together are refused together. */
  const refused = new Set<string>();
  let challenge: Challenge | undefined;
  let credentials: Promise<Credentials | undefined> | undefined;
  const whoAmI = () => {
    credentials ??= context.credentials();
    return credentials;
  };

  const bearer = async (asked: Challenge, scopes: readonly string[]): Promise<string> => {
    const key = [...scopes].sort().join(' ');
    for (let current = tokens.get(key); current !== undefined; ) {
      const { header, usableUntil } = await current;
      if (usableUntil > context.now() && !refused.has(header)) return header;
      const next = tokens.get(key);
      // No other request has asked for a new one meanwhile.
      if (next === current) break;
      current = next;
    }
    const fetched = (async () => {
      const request = tokenRequest(asked, scopes, await whoAmI(), context);
      const token = readToken(await context.send(request), registry, context.now());
      // Some servers give the same one again, and mean it.
      refused.delete(token.header);
      return token;
    })();
    tokens.set(key, fetched);
    try {
      return (await fetched).header;
    } catch (error) {
      tokens.delete(key);
      throw error;
    }
  };

  return {
    async header(scopes) {
      if (challenge === undefined) return undefined;
      if (challenge.scheme === 'bearer') return bearer(challenge, scopes);
      const found = await whoAmI();
      if (found?.kind === 'basic') return basic(found.username, found.password);
      throw new ImageError(`registry ${registry} wants a user name and a password`, {
        registry,
        status: 401,
        hint: `log in with \`wiac login ${registry}\``,
      });
    },
    challenged(header, sent) {
      const known = parseChallenges(header ?? '');
      const asked =
        known.find(({ scheme }) => scheme === 'bearer') ??
        known.find(({ scheme }) => scheme === 'basic');
      const wrong = sent?.startsWith('Basic ') && asked?.scheme === 'basic';
      const unknown =
        header === undefined
          ? `registry ${registry} answered 401, and does not say how it wants to be asked`
          : `registry ${registry} wants an authentication that wiac does not know: ${header}`;
      if (asked === undefined || wrong)
        throw new ImageError(
          wrong ? `registry ${registry} does not accept the user name and password` : unknown,
          { registry, status: 401, hint: `log in with \`wiac login ${registry}\`` },
        );
      challenge = asked;
      if (sent !== undefined) refused.add(sent);
    },
  };
}
