/** Programs that compress or decompress what goes through them. */
import type { Duplex } from 'node:stream';
import { IsolationError } from '../../util/errors.js';

/**
 * @param program reads its standard input and writes its standard output
 * @param debianPackage that has it, for the message
 * @returns a stream; destroying it ends the process
 * @throws IsolationError when it is not installed
 */
export async function programStream(
  program: string,
  args: readonly string[],
  debianPackage: string,
): Promise<Duplex> {
  const { execa } = await import('execa');
  const child = execa(program, args, { buffer: false, encoding: 'buffer' });
  // The reader of the stream gets its failure.
  child.catch(() => {});
  if (child.pid === undefined) {
    throw new IsolationError(`${program} could not be started`, {
      hint: `install the package ${debianPackage} (apt-get install ${debianPackage})`,
    });
  }
  return child.duplex();
}
