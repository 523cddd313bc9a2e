/** Turns output that comes in pieces into whole lines, and remembers the last ones. */
import { StringDecoder } from 'node:string_decoder';

/** A line that is longer becomes several: a program may never end one. UTF-16 units */
const MAX_LINE = 1 << 20;
/** What is told of a line before it has ended: more is not seen on any terminal. */
const MAX_UNFINISHED = 4096;

export interface LineSplitter {
  readonly push: (chunk: Buffer) => void;
  /** Passes on what came without a newline at its end. */
  readonly end: () => void;
  readonly last: () => readonly string[];
}

/** Who is told of lines. */
export interface LineListener {
  readonly onLine: (line: string) => void;
  /** Told the end of a line that has not ended, as far as it has come. */
  readonly onUnfinished?: ((text: string) => void) | undefined;
}

/** @param keep how many lines to remember */
export function lineSplitter(keep: number, { onLine, onUnfinished }: LineListener): LineSplitter {
  const decoder = new StringDecoder('utf8');
  const last: string[] = [];
  // Of the line that has not ended. Joined when it ends: to do so each time would take ever longer.
  let pieces: string[] = [];
  let length = 0;
  let tail = '';
  const emit = (end: string) => {
    const line = [...pieces, end].join('').replace(/\r$/, '');
    pieces = [];
    length = 0;
    tail = '';
    last.push(line);
    if (last.length > keep) last.shift();
    onLine(line);
  };
  const hold = (piece: string) => {
    if (piece === '') return;
    pieces.push(piece);
    length += piece.length;
    tail = (tail + piece).slice(-MAX_UNFINISHED);
    if (length >= MAX_LINE) emit('');
  };
  return {
    push: (chunk) => {
      const lines = decoder.write(chunk).split('\n');
      const rest = lines.pop() ?? '';
      for (const line of lines) emit(line);
      hold(rest);
      if (length > 0) onUnfinished?.(tail);
    },
    end: () => {
      hold(decoder.end());
      if (length > 0) emit('');
    },
    last: () => [...last],
  };
}
