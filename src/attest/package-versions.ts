/** The order of versions as dpkg (deb-version(7)) and apk (apk-package(5)) have it. Pure. */

/** Less than 0: the first is older; more: it is newer; 0: they mean the same. */
type Order = number;

/** Numbers of any length, by their digits. */
function compareNumbers(a: string, b: string): Order {
  const [x, y] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')];
  if (x.length !== y.length) return x.length - y.length;
  return x < y ? -1 : x > y ? 1 : 0;
}

/** `~` is before the end, letters come before all else. */
function rank(character: string): number {
  if (character === '~') return -1;
  if (character === '') return 0;
  const code = character.charCodeAt(0);
  return /[A-Za-z]/.test(character) ? code : code + 256;
}

function compareText(a: string, b: string): Order {
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const order = rank(a.charAt(at)) - rank(b.charAt(at));
    if (order !== 0) return order;
  }
  return 0;
}

/** Text and numbers by turns, as deb-version(7) compares upstream versions and revisions. */
function compareParts(a: string, b: string): Order {
  const split = (text: string) => text.split(/(\d+)/);
  const [x, y] = [split(a), split(b)];
  for (let at = 0; at < Math.max(x.length, y.length); at++) {
    const [one = '', other = ''] = [x[at], y[at]];
    const order = at % 2 === 0 ? compareText(one, other) : compareNumbers(one, other);
    if (order !== 0) return order;
  }
  return 0;
}

function splitDebian(version: string): [epoch: string, upstream: string, revision: string] {
  const colon = version.indexOf(':');
  const rest = version.slice(colon + 1);
  const dash = rest.lastIndexOf('-');
  const epoch = version.slice(0, Math.max(colon, 0));
  return dash === -1 ? [epoch, rest, ''] : [epoch, rest.slice(0, dash), rest.slice(dash + 1)];
}

/** Two versions of a Debian package. */
export function compareDebian(a: string, b: string): Order {
  const [x, y] = [splitDebian(a), splitDebian(b)];
  return compareNumbers(x[0], y[0]) || compareParts(x[1], y[1]) || compareParts(x[2], y[2]);
}

/** What comes before a release, and after it. */
const SUFFIXES = ['alpha', 'beta', 'pre', 'rc', '', 'cvs', 'svn', 'git', 'hg', 'p'];
const RELEASE = SUFFIXES.indexOf('');

/** Kinds of parts, in the order in which they can follow each other; where two differ the earlier is newer. */
const KINDS = ['number', 'letter', 'suffix', 'suffix number', 'hash', 'revision', 'end'] as const;

interface Part {
  readonly kind: (typeof KINDS)[number];
  readonly text: string;
}

const PART = /\.?(\d+)|([a-z])(?![a-z])|_([a-z]+)|~([0-9a-f]+)|-r(\d+)/y;

function apkParts(version: string): Part[] {
  const parts: Part[] = [];
  PART.lastIndex = 0;
  for (let found = PART.exec(version); found; found = PART.exec(version)) {
    const [, number, letter, suffix, hash, revision] = found;
    const isSuffixNumber = number !== undefined && parts.at(-1)?.kind === 'suffix';
    if (number !== undefined)
      parts.push({ kind: isSuffixNumber ? 'suffix number' : 'number', text: number });
    else if (letter !== undefined) parts.push({ kind: 'letter', text: letter });
    else if (suffix !== undefined) parts.push({ kind: 'suffix', text: suffix });
    else if (hash !== undefined) parts.push({ kind: 'hash', text: hash });
    else if (revision !== undefined) parts.push({ kind: 'revision', text: revision });
  }
  return [...parts, { kind: 'end', text: '' }];
}

const byCode = (a: string, b: string): Order => (a < b ? -1 : a > b ? 1 : 0);

function compareSame(a: Part, b: Part, isFirst: boolean): Order {
  if (a.kind === 'suffix') return SUFFIXES.indexOf(a.text) - SUFFIXES.indexOf(b.text);
  // 1.01 is a fraction to apk: 1.1 is newer.
  const isFraction = a.kind === 'number' && !isFirst && (a.text + b.text).length > 0;
  if (isFraction && (a.text.startsWith('0') || b.text.startsWith('0')))
    return byCode(a.text, b.text);
  return /^\d/.test(a.text) ? compareNumbers(a.text, b.text) : byCode(a.text, b.text);
}

const isPrerelease = ({ kind, text }: Part) =>
  kind === 'suffix' && SUFFIXES.indexOf(text) < RELEASE;

/** Two versions of an Alpine package. */
export function compareApk(a: string, b: string): Order {
  const [x, y] = [apkParts(a), apkParts(b)];
  for (let at = 0; ; at++) {
    const [one, other] = [x[at], y[at]];
    if (!one || !other) return 0;
    if (one.kind !== other.kind) {
      if (isPrerelease(one)) return -1;
      if (isPrerelease(other)) return 1;
      return KINDS.indexOf(other.kind) - KINDS.indexOf(one.kind);
    }
    const order = compareSame(one, other, at === 0);
    if (order !== 0) return order;
  }
}

/**
 * Two versions of a package.
 * @param type of its package URL
 * @returns undefined for managers whose order wiac does not know
 */
export function compareVersions(type: string, a: string, b: string): Order | undefined {
  if (type === 'deb') return compareDebian(a, b);
  if (type === 'apk') return compareApk(a, b);
  return undefined;
}
