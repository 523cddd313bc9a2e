/** What starts this command once more, in a process of its own. */

/**
 * @param words of the command line; by default this process's own
 * @returns program and arguments
 */
export async function selfCommand(
  words: readonly string[] = process.argv.slice(2),
): Promise<[string, ...string[]]> {
  const { isSea } = await import('node:sea');
  const { execPath, execArgv } = process;
  const [script = ''] = process.argv.slice(1);
  // A standalone executable is no Node that would be told which script to run.
  return isSea() ? [execPath, ...words] : [execPath, ...execArgv, '--', script, ...words];
}
