/** The `wiac` command: finds the subcommand, turns errors into messages and exit codes. */
import { CommanderError } from 'commander';
import { InterruptedError, StoreError, UsageError, WiacError } from '../util/errors.js';
import { asLimitError, requireOpenFiles } from '../util/open-files.js';
import { carryOutWords, errorForm } from './carry-out-words.js';
import { requireText } from './given-text.js';
import { createProgram } from './program.js';
import { cutCode, outputClosed } from './result-output.js';

/** As of an output that is a file (-o). */
const UNWRITTEN = 11;

process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
  if (code === 'EPIPE') return outputClosed();
  process.stderr.write(`wiac: standard output could not be written: ${message}\n`);
  process.exit(UNWRITTEN);
});
// Nobody can be told anything any more. What was begun is done all the same, and the exit code says how.
process.stderr.on('error', () => {});
// A file that may not grow any more (ulimit -f) is an error like others, which is told.
process.on('SIGXFSZ', () => {});
let isOver = false;
// Nothing is left that could go on.
process.on('beforeExit', () => {
  if (!isOver) {
    process.stderr.write(
      'wiac: internal error: it waits for something that can not come any more\n',
    );
    process.exit(1);
  }
  // Node would take its heap apart, piece by piece, before it ends; the kernel does that at once.
  process.exit();
});

/** The directory that the command was given in was removed: a path that begins nowhere means nothing. */
function asPlaceError(error: unknown): UsageError | undefined {
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  if (code !== 'ENOENT' || syscall !== 'uv_cwd') return undefined;
  return new UsageError('the directory that you are in was removed', {
    hint: 'go to another one (cd), or name all directories from the root on',
  });
}

async function run(): Promise<void> {
  let exitCode = 0;
  const words = process.argv.slice(2);
  const program = createProgram((code) => {
    exitCode = code;
  }, words[0]);
  try {
    requireOpenFiles();
    requireText(process.argv);
    await carryOutWords(program, words);
    process.exitCode = cutCode() ?? exitCode;
  } catch (thrown) {
    const cut = cutCode();
    if (cut !== undefined) {
      process.exitCode = cut;
      return;
    }
    const error = asLimitError(thrown) ?? asPlaceError(thrown) ?? thrown;
    if (error instanceof CommanderError) {
      // --help and --version end by throwing; they have printed what they had to say.
      process.exitCode = error.exitCode;
    } else if (error instanceof WiacError) {
      if (error instanceof StoreError) {
        const { runAgain } = await import('./run-again.js');
        const again = await runAgain(error);
        if (again !== undefined) {
          process.exitCode = again;
          return;
        }
      }
      const { reportError } = await import('./report.js');
      process.exitCode = await reportError(error, words[0], errorForm(program, words));
      // After a signal wiac does not wait until the rest of the pipe is read.
      if (error instanceof InterruptedError) process.exit();
    } else {
      const { legibleStack } = await import('./legible-stack.js');
      const { stack = String(error) } = error as Error;
      process.stderr.write(`wiac: internal error: ${legibleStack(stack)}\n`);
      process.exitCode = 1;
    }
  }
}

void run().finally(() => {
  isOver = true;
});
