/** Turns output that comes in pieces into whole lines, and remembers the last ones. */
import { StringDecoder } from 'node:string_decoder';

export interface LineSplitter {
  readonly push: (chunk: Buffer) => void;
  /** Passes on what came without a newline at its end. */
  readonly end: () => void;
  readonly last: () => readonly string[];
}

/** @param keep how many lines to remember */
export function lineSplitter(keep: number, onLine: (line: string) => void): LineSplitter {
  const decoder = new StringDecoder('utf8');
  const last: string[] = [];
  let rest = '';
  const emit = (line: string) => {
    last.push(line);
    if (last.length > keep) last.shift();
    onLine(line);
  };
  return {
    push: (chunk) => {
      const lines = (rest + decoder.write(chunk)).split('\n');
      rest = lines.pop() ?? '';
      // A terminal would show only what came after the last carriage return (progress bars).
      for (const line of lines) emit(line.replace(/\r$/, ''));
    },
    end: () => {
      rest += decoder.end();
      if (rest !== '') emit(rest);
      rest = '';
    },
    last: () => [...last],
  };
}
