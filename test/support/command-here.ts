/** What the `wiac` command does, but for starting it: in this process. */
import { CommanderError } from 'commander';
import { carryOutWords, errorForm } from '../../src/cli/carry-out-words.js';
import { createProgram } from '../../src/cli/program.js';
import { reportError } from '../../src/cli/report.js';
import { WiacError } from '../../src/util/errors.js';
import type { Result } from './wiac.js';

/** Gathers what is written to a stream. */
function capture(stream: NodeJS.WriteStream): {
  readonly text: () => string;
  readonly end: () => void;
} {
  const { write } = stream;
  let text = '';
  stream.write = (chunk: string | Uint8Array) => {
    text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    return true;
  };
  return {
    text: () => text,
    end: () => {
      stream.write = write;
    },
  };
}

/**
 * Carries out one command. What a container of `wiac run` writes is not in the result: that has the streams of
 * this process.
 * @throws what no message for users is made of
 */
export async function commandHere(...words: string[]): Promise<Result> {
  const [stdout, stderr] = [capture(process.stdout), capture(process.stderr)];
  let exitCode = 0;
  const program = createProgram((code) => {
    exitCode = code;
  }, words[0]);
  try {
    await carryOutWords(program, words);
  } catch (error) {
    if (error instanceof CommanderError) exitCode = error.exitCode;
    else if (error instanceof WiacError)
      exitCode = await reportError(error, words[0], errorForm(program, words));
    else throw error;
  } finally {
    stdout.end();
    stderr.end();
  }
  return { exitCode, stdout: stdout.text(), stderr: stderr.text() };
}
