/** What starts this command once more, in a process of its own. */

/** @returns program and arguments, with all words of the command line */
export async function selfCommand(): Promise<[string, ...string[]]> {
  const { isSea } = await import('node:sea');
  const { argv, execPath, execArgv } = process;
  // A standalone executable is no Node that would be told which script to run.
  return isSea() ? [execPath, ...argv.slice(2)] : [execPath, ...execArgv, '--', ...argv.slice(1)];
}
