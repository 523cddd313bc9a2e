/** Asks the user on the terminal. */
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { InterruptedError, UsageError } from '../util/errors.js';

/** A conversation on standard error and standard input. */
export interface Prompt {
  /**
   * Writes a question and reads a line.
   * @param echo false: what is typed is not shown
   * @throws UsageError when there is no answer, InterruptedError for Ctrl-C
   */
  readonly ask: (question: string, echo: boolean) => Promise<string>;
  readonly close: () => void;
}

/** Opens the terminal for questions. */
export function openPrompt(): Prompt {
  let shown = true;
  // The line editor turns the terminal's echo off, and shows what is typed on its own output.
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (shown) process.stderr.write(chunk);
      done();
    },
  });
  const editor = createInterface({ input: process.stdin, output, terminal: true, historySize: 0 });
  // One editor for all questions: answers that were pasted together come in one piece.
  const lines = editor[Symbol.asyncIterator]();
  let interrupted = false;
  editor.once('SIGINT', () => {
    interrupted = true;
    editor.close();
  });
  return {
    async ask(question, echo) {
      editor.setPrompt(question);
      editor.prompt();
      shown = echo;
      try {
        const { done, value } = await lines.next();
        if (interrupted) throw new InterruptedError('SIGINT', constants.signals.SIGINT);
        if (done) throw new UsageError(`no answer to "${question.trim()}"`);
        return value;
      } finally {
        if (!echo) process.stderr.write('\n');
        shown = true;
      }
    },
    close: () => editor.close(),
  };
}

/** All of standard input, without the line's end. @throws UsageError when there is nothing */
export async function readSecretInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks)
    .toString()
    .replace(/\r?\n$/, '');
  if (text === '') throw new UsageError('--password-stdin: standard input is empty');
  return text;
}
