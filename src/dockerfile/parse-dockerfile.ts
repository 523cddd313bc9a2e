/**
 * Parses a Dockerfile as BuildKit's stable frontend (docker/dockerfile:1) does. Where that one is
 * lenient to what can only be a slip (a continuation that the end of the file cuts off, a JSON
 * array without end, an instruction without operands) this parser is strict.
 */
import { indexOfOtherBytes, shownText } from '../util/byte-string.js';
import { DockerfileError, type SourceLocation } from '../util/errors.js';
import type { CommentBlock, Dockerfile, Instruction } from './ast.js';
import { readDirectives } from './directives.js';
import { findHeredocs, readLikelyHeredocs } from './heredoc.js';
import { instructionKind, readInstruction } from './instructions.js';
import {
  isComment,
  type LogicalLine,
  readLogicalLine,
  type SourceLines,
  splitLines,
} from './lines.js';
import { skipSpace, trimEndSpace } from './space.js';
import { splitInstruction, type Word } from './words.js';

/** True when here-documents may follow the instruction. The JSON form quotes all it could hold. */
function canHaveHeredocs(word: Word): boolean {
  const { keyword, operands } = splitInstruction(word);
  const kind = instructionKind(keyword);
  if (kind === 'onbuild') {
    // One level only: ONBUILD ONBUILD is an error anyway.
    const trigger = splitInstruction(operands);
    return instructionKind(trigger.keyword) !== 'onbuild' && canHaveHeredocs(operands);
  }
  return kind === 'run' || kind === 'copy' || kind === 'add';
}

/** Reads the instruction on a logical line together with its here-documents. */
function readAt(
  source: SourceLines,
  line: LogicalLine,
  escapeChar: '\\' | '`',
  locate: LogicalLine['locate'],
): { instruction: Instruction; next: number } {
  const word = { text: line.text, offset: 0 };
  const start = locate(0, line.text.length);
  const heads = canHaveHeredocs(word) ? findHeredocs(line.text, start) : [];
  const { heredocs, next } = readLikelyHeredocs(source, line.next, heads, start);
  const endLine = heredocs.length > 0 ? Math.max(start.endLine, next) : start.endLine;
  const { original } = line;
  return {
    instruction: readInstruction({ word, original, heredocs, escape: escapeChar, locate, endLine }),
    next,
  };
}

/** The text of a comment line without `#` and the white space around it. */
function commentText(line: string): string {
  const start = skipSpace(line, skipSpace(line, 0) + 1);
  return shownText(trimEndSpace(line.slice(start)));
}

/** Only ARG may stand before the first FROM. */
function assertStage(instructions: readonly Instruction[], found: Instruction): void {
  if (found.kind === 'arg' || instructions.some(({ kind }) => kind === 'from')) return;
  if (found.kind === 'from') return;
  throw new DockerfileError(
    `${found.keyword.toUpperCase()} stands before the first FROM`,
    found.location,
    { hint: 'the first instruction is FROM; only ARG may stand before it' },
  );
}

/** Neither paths nor arguments of programs can have one, and no editor shows it. */
function assertText(text: string, file: string): void {
  const at = text.indexOf('\0');
  if (at < 0) return;
  const before = text.slice(0, at);
  const line = before.split('\n').length;
  const column = at - before.lastIndexOf('\n');
  throw new DockerfileError(
    'there is a NUL byte here: this is no text file',
    { file, line, column, endLine: line },
    { hint: 'remove it, or save the file as UTF-8 if it is UTF-16' },
  );
}

/**
 * A byte that is no character of UTF-8 could be meant as any: only comments may have it.
 * @param first index of the instruction's first line
 * @param end of its lines, where its here-documents begin; `next` is the end of these
 */
function assertCharacters({ lines, file }: SourceLines, first: number, end: number, next: number) {
  for (let index = first; index < next; index += 1) {
    const text = lines[index] ?? '';
    const at = indexOfOtherBytes(text);
    if (at < 0 || (index > first && index < end && isComment(text))) continue;
    throw new DockerfileError(
      'there are bytes here that are not UTF-8',
      { file, line: index + 1, column: at + 1, endLine: index + 1 },
      { hint: 'save the file as UTF-8; COPY takes files with other names by a pattern: COPY a? /' },
    );
  }
}

/**
 * Parses a whole Dockerfile.
 *
 * @param text content of the file, as fromBytes gives it
 * @param file its name, for messages
 * @throws DockerfileError with the place of the first mistake
 */
export function parseDockerfile(text: string, file: string): Dockerfile {
  assertText(text, file);
  const source = splitLines(text, file);
  const { directives, count } = readDirectives(source);
  const { escape: escapeChar } = directives;
  const instructions: Instruction[] = [];
  const comments: CommentBlock[] = [];
  const emptyContinuationLines: number[] = [];
  let block: string[] = [];

  for (let index = count; index < source.lines.length; ) {
    const physical = source.lines[index] ?? '';
    if (isComment(physical)) {
      block.push(commentText(physical));
      index++;
      continue;
    }
    const line = readLogicalLine(source, index, escapeChar);
    emptyContinuationLines.push(...line.emptyLines);
    if (line.text === '') {
      index = line.next;
    } else {
      const { instruction, next } = readAt(source, line, escapeChar, line.locate);
      assertCharacters(source, index, line.next, next);
      assertStage(instructions, instruction);
      instructions.push(instruction);
      if (block.length > 0) {
        comments.push({ line: index - block.length + 1, text: block.join('\n') });
      }
      index = next;
    }
    block = [];
  }

  if (!instructions.some(({ kind }) => kind === 'from')) throw noStage(instructions, file);
  const lines = source.lines.map(shownText);
  return { file, lines, directives, instructions, comments, emptyContinuationLines };
}

function noStage(instructions: readonly Instruction[], file: string): DockerfileError {
  const hint = 'a Dockerfile needs at least FROM and an image, for example FROM scratch';
  const last = instructions.at(-1);
  return last === undefined
    ? new DockerfileError(
        'file with no instructions',
        { file, line: 1, column: 1, endLine: 1 },
        { hint },
      )
    : new DockerfileError('file with no FROM instruction', last.location, { hint });
}

/**
 * Parses an ONBUILD trigger from the config of a base image, where it is one string; the contents
 * of its here-documents follow on lines of their own.
 *
 * @param location what all of its locations become: the FROM that brought the trigger in
 * @throws DockerfileError located at `location`
 */
export function parseTrigger(text: string, location: SourceLocation): Instruction {
  const fail = (problem: string): DockerfileError =>
    new DockerfileError(`ONBUILD trigger '${text}' of the base image: ${problem}`, location, {
      hint: 'use another version of the base image',
    });
  const source = splitLines(`ONBUILD ${text}`, location.file);
  let read: ReturnType<typeof readAt>;
  try {
    const line = readLogicalLine(source, 0, '\\');
    read = readAt(source, line, '\\', () => location);
  } catch (error) {
    throw error instanceof DockerfileError ? fail(error.message) : error;
  }
  const { instruction, next } = read;
  if (next < source.lines.length) throw fail('more than one instruction');
  return instruction.kind === 'onbuild' ? instruction.trigger : instruction;
}
