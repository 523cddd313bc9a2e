/** zstd as a stream, through zstd(1): node:zlib has it only since Node 22.15. */
import type { Duplex } from 'node:stream';
import { IsolationError } from '../errors.js';

/**
 * @param flags of zstd(1), which reads and writes its standard streams
 * @returns a stream that compresses or decompresses; destroying it ends the process
 * @throws IsolationError when zstd is not installed
 */
export async function zstdStream(flags: readonly string[]): Promise<Duplex> {
  const { execa } = await import('execa');
  const child = execa('zstd', ['-q', '-c', ...flags], { buffer: false, encoding: 'buffer' });
  // Its failure reaches whoever reads the stream.
  child.catch(() => {});
  if (child.pid === undefined) {
    throw new IsolationError('zstd could not be started', {
      hint: 'install the package zstd (apt-get install zstd)',
    });
  }
  return child.duplex();
}
