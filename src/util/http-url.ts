/** Is it the URL of a server that speaks HTTP? A text without a scheme can be a URL, too: `host:80` is one. */
export function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
