/** zstd as a stream, through zstd(1): node:zlib has it only since Node 22.15. */
import type { Duplex } from 'node:stream';
import { programStream } from './program-stream.js';

/**
 * @param flags of zstd(1), which reads and writes its standard streams
 * @returns a stream that compresses or decompresses; destroying it ends the process
 * @throws IsolationError when zstd is not installed
 */
export function zstdStream(flags: readonly string[]): Promise<Duplex> {
  return programStream('zstd', ['-q', '-c', ...flags], 'zstd');
}
