/** Reads WWW-Authenticate (RFC 9110, section 11.6.1). */

/** What a server asks for before it answers. */
export interface Challenge {
  /** Lower case: `basic`, `bearer`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const PARAMETER = /([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))/y;
const SEPARATOR = /[\s,]*/y;

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/**
 * The challenges of a header, in its order. Parts that are no challenge are skipped: a registry's answer
 * is never an error here, it just asks for nothing that we know.
 */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let at = 0;
  while (at < header.length) {
    at += match(SEPARATOR, header, at)?.[0].length ?? 0;
    const parameter = match(PARAMETER, header, at);
    const current = challenges.at(-1);
    if (parameter !== null && current !== undefined) {
      const [whole, name = '', quoted, plain = ''] = parameter;
      current.parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain);
      at += whole.length;
      continue;
    }
    const scheme = match(TOKEN, header, at);
    if (scheme === null) at += 1;
    else {
      challenges.push({ scheme: scheme[0].toLowerCase(), parameters: new Map() });
      at += scheme[0].length;
    }
  }
  return challenges;
}
