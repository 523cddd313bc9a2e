/** Here-documents of RUN, COPY and ADD: Dockerfile reference, "Here-Documents". */
import { DockerfileError, type SourceLocation } from '../util/errors.js';
import type { Heredoc } from './ast.js';
import { expandWords } from './expand.js';
import type { SourceLines } from './lines.js';

/** A here-document whose content has not been read yet. */
export interface HeredocHead extends Omit<Heredoc, 'content'> {
  /**
   * There are blanks between `<<` and the delimiter. A shell's `$((1 << 2))` looks the same: it is a
   * here-document only if the delimiter follows.
   */
  readonly apart: boolean;
}

const HEREDOC = /^(\d*)<<(-?)([^<]*)$/;

/** Operands are not expanded before here-documents are found, hence no variable is known. */
function lexer(location: SourceLocation) {
  return { lookup: () => undefined, escape: '\\', unset: 'keep', location } as const;
}

/**
 * Reads a word such as `<<EOF`, `<<-'EOF'` or `3<<EOF`; undefined when it starts no here-document.
 *
 * @throws DockerfileError when the delimiter's quotes are not closed
 */
export function readHeredocWord(word: string, location: SourceLocation): HeredocHead | undefined {
  const [, fd = '', dash = '', delimiter = ''] = HEREDOC.exec(word) ?? [];
  const { words } = expandWords(delimiter, lexer(location));
  const [name] = words;
  if (name === undefined || words.length > 1) return undefined;
  const quoted = expandWords(delimiter, { ...lexer(location), quotes: 'keep' }).words[0];
  return {
    name,
    expand: quoted === name,
    stripTabs: dash === '-',
    fd: fd === '' ? undefined : Number.parseInt(fd, 10),
    apart: false,
  };
}

/** Is it the part of a here-document before the blanks: `<<`, `<<-` or `3<<`? */
export function isHeredocOperator(word: string): boolean {
  return /^\d*<<-?$/.test(word);
}

/**
 * The here-documents that an instruction announces, in order. None when its quotes do not match:
 * the shell may still accept such a line.
 */
export function findHeredocs(text: string, location: SourceLocation): readonly HeredocHead[] {
  if (!text.includes('<<')) return [];
  let words: readonly string[];
  try {
    words = expandWords(text, { ...lexer(location), quotes: 'keep', escapes: 'keep' }).words;
  } catch (error) {
    if (error instanceof DockerfileError) return [];
    throw error;
  }
  const heads: HeredocHead[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    const apart = isHeredocOperator(word);
    if (apart) at++;
    const head = readHeredocWord(apart ? `${word}${words[at] ?? ''}` : word, location);
    if (head !== undefined) heads.push({ ...head, apart });
  }
  return heads;
}

/**
 * Reads the contents of here-documents, which follow the instruction one after the other.
 *
 * @param index index of the physical line after the instruction
 * @returns the here-documents and the index of the line after the last delimiter
 * @throws DockerfileError when the file ends before a delimiter
 */
export function readHeredocs(
  source: SourceLines,
  index: number,
  heads: readonly HeredocHead[],
  location: SourceLocation,
): { heredocs: readonly Heredoc[]; next: number } {
  let next = index;
  const heredocs = heads.map((head) => {
    const content: string[] = [];
    for (; ; next++) {
      const raw = source.raw[next];
      if (raw === undefined) throw unterminated(head, location);
      const line = source.lines[next] ?? '';
      const isDelimiter = (head.stripTabs ? withoutTabs(line) : line) === head.name;
      if (isDelimiter) break;
      content.push(head.stripTabs ? withoutTabs(raw) : raw);
    }
    next++;
    const { apart: _, ...heredoc } = head;
    return { ...heredoc, content: content.join('') };
  });
  return { heredocs, next };
}

/**
 * The same where blanks may stand before a delimiter that never comes.
 * @throws DockerfileError when the file ends before the delimiter of one without blanks
 */
export function readLikelyHeredocs(
  source: SourceLines,
  index: number,
  heads: readonly HeredocHead[],
  location: SourceLocation,
): ReturnType<typeof readHeredocs> {
  const sure = heads.filter(({ apart }) => !apart);
  if (sure.length === heads.length) return readHeredocs(source, index, heads, location);
  try {
    return readHeredocs(source, index, heads, location);
  } catch (error) {
    if (error instanceof DockerfileError) return readHeredocs(source, index, sure, location);
    throw error;
  }
}

function withoutTabs(line: string): string {
  let start = 0;
  while (line[start] === '\t') start++;
  return line.slice(start);
}

function unterminated(head: HeredocHead, location: SourceLocation): DockerfileError {
  return new DockerfileError(
    `unterminated heredoc: no line consists of '${head.name}' after line ${location.line}`,
    location,
    {
      hint:
        `add a line with nothing but ${head.name} where the content ends` +
        ' (everything up to the next blank belongs to the delimiter)',
    },
  );
}
