/** `$NAME`, `${NAME:-default}` and the like in compose files and .env. */

/** What is wrong with a text; whoever reads it knows where it is. */
export class InterpolationError extends Error {}

/** Variables by their names. */
export type LookUp = (name: string) => string | undefined;

/** Told of variables that are not set. */
export type OnUnset = (name: string) => void;

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;

/** Deeper is no default that somebody wrote. */
const MAX_DEPTH = 50;

interface Reading {
  readonly text: string;
  at: number;
}

function takeName(reading: Reading): string | undefined {
  NAME.lastIndex = reading.at;
  const name = NAME.exec(reading.text)?.[0];
  if (name !== undefined) reading.at += name.length;
  return name;
}

function invalid({ text }: Reading): InterpolationError {
  return new InterpolationError(
    `${JSON.stringify(text)}: \${ begins a variable, \${NAME}; write $$ for the sign itself`,
  );
}

/** The braces are open; the cursor is behind the name. */
function readBraces(
  reading: Reading,
  name: string,
  lookUp: LookUp,
  onUnset: OnUnset,
  depth: number,
): string {
  const { text } = reading;
  const value = lookUp(name);
  const [operator] = /^:?[-+?]/.exec(text.slice(reading.at, reading.at + 2)) ?? [];
  if (operator === undefined) {
    if (text[reading.at] !== '}') throw invalid(reading);
    reading.at += 1;
    if (value === undefined) onUnset(name);
    return value ?? '';
  }
  reading.at += operator.length;
  const isThere = value !== undefined && !(operator.startsWith(':') && value === '');
  const kind = operator.at(-1);
  const isUsed = kind === '+' ? isThere : !isThere;
  // What is not used is not looked at for variables that are missing.
  const word = readText(
    reading,
    isUsed ? lookUp : () => '',
    isUsed ? onUnset : () => {},
    depth + 1,
  );
  if (text[reading.at] !== '}') throw invalid(reading);
  reading.at += 1;
  if (kind === '?' && !isThere)
    throw new InterpolationError(
      `the variable ${name} is not set${word === '' ? '' : `: ${word}`}`,
    );
  if (kind === '+') return isThere ? word : '';
  return isThere ? value : word;
}

/** Up to the end, or to the } of what is around it. */
function readText(reading: Reading, lookUp: LookUp, onUnset: OnUnset, depth: number): string {
  if (depth > MAX_DEPTH) throw invalid(reading);
  const { text } = reading;
  let made = '';
  while (reading.at < text.length) {
    const char = text[reading.at] ?? '';
    if (char === '}' && depth > 0) return made;
    reading.at += 1;
    if (char !== '$') made += char;
    else if (text[reading.at] === '$') {
      made += '$';
      reading.at += 1;
    } else if (text[reading.at] === '{') {
      reading.at += 1;
      const name = takeName(reading);
      if (name === undefined) throw invalid(reading);
      made += readBraces(reading, name, lookUp, onUnset, depth);
    } else {
      const name = takeName(reading);
      // `$(date)` and `$1` are for a shell: compose leaves the sign where no name can begin.
      if (name === undefined) {
        made += '$';
        continue;
      }
      const value = lookUp(name);
      if (value === undefined) onUnset(name);
      made += value ?? '';
    }
  }
  return made;
}

/** The text with the values of its variables. @throws InterpolationError */
export function interpolate(text: string, lookUp: LookUp, onUnset: OnUnset = () => {}): string {
  if (!text.includes('$')) return text;
  return readText({ text, at: 0 }, lookUp, onUnset, 0);
}
