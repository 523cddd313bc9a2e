/** User and password of URLs: they are for the server alone, in no message, record or key. */

/** From the scheme to the last `@` of the authority (RFC 3986, 3.2), whatever a password holds. */
const USER_INFO = /(\b[a-z][a-z0-9+.-]*:\/\/)([^/?#\s]*)@/gi;

/** A text with the user and password of every URL in it removed. */
export function withoutCredentials(text: string): string {
  return text.replace(USER_INFO, '$1');
}

/** The same with as many asterisks in their place, where columns must stay. */
export function maskCredentials(text: string): string {
  return text.replace(
    USER_INFO,
    (_, scheme: string, userInfo: string) => `${scheme}${'*'.repeat(userInfo.length)}@`,
  );
}

/** One value that ought to be a URL and may be none: all before its last `@` counts as user and password. */
export function withoutUser(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, '$1');
}
