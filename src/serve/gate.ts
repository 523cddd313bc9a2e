/**
 * Who is let in. Pure. Three things stand in the way of others: the Host header, because a name of theirs may
 * lead to this machine (DNS rebinding); a token that only the printed URL has; and for all but the bare page the
 * token in a header, which no page of another origin can send without being allowed to, and nobody is.
 *
 * The cookie opens the bare page alone, so that it can be loaded again: browsers send cookies to every port of a
 * machine, and who listens on another one must not get in with it.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { TOKEN_HEADER } from './ui-data.js';

/** What only this ui knows. */
export interface UiSecrets {
  readonly port: number;
  /** In the printed URL. */
  readonly token: string;
  readonly cookie: string;
}

/** What is looked at of a request. */
export interface Knock {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

export type Verdict =
  /** It may have the page, and nothing of the store. */
  | { readonly may: 'page'; readonly path: string }
  | { readonly may: 'all'; readonly path: string; readonly query: URLSearchParams }
  | { readonly may: 'nothing'; readonly why: string };

/** In a time that does not depend on where they differ. */
export function isSame(given: string, secret: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(secret));
}

/** Uis at other ports have cookies of their own. */
export const cookieName = (port: number) => `wiac-ui-${port}`;

function readCookie(header: string, name: string): string {
  const pairs = header.split(';').map((pair) => pair.trim().split('='));
  return pairs.find(([each]) => each === name)?.[1] ?? '';
}

const hosts = (port: number) =>
  ['127.0.0.1', '[::1]', 'localhost'].map((name) => `${name}:${port}`);

const one = (value: Knock['headers'][string]) => (typeof value === 'string' ? value : '');

/** Only this ui's own pages and programs without an origin may ask. */
function isStranger(origin: string, port: number): boolean {
  return origin !== '' && !hosts(port).some((host) => origin === `http://${host}`);
}

export function judge({ method, url, headers }: Knock, secrets: UiSecrets): Verdict {
  const { port, token, cookie } = secrets;
  const refuse = (why: string): Verdict => ({ may: 'nothing', why });
  if (!hosts(port).includes(one(headers.host).toLowerCase()))
    return refuse('this Host is none of wiac ui');
  if (isStranger(one(headers.origin), port)) return refuse('this Origin is none of wiac ui');
  const [path = '', search = ''] = url.split('?', 2);
  const query = new URLSearchParams(search);
  if (isSame(one(headers[TOKEN_HEADER]), token)) return { may: 'all', path, query };
  const isPage = method === 'GET' && !path.startsWith('/api/');
  const isKnown =
    isSame(query.get('token') ?? '', token) ||
    isSame(readCookie(one(headers.cookie), cookieName(port)), cookie);
  if (isPage && isKnown) return { may: 'page', path };
  return refuse('the token is missing: open the URL that wiac ui printed');
}
