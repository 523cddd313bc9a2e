/** What a thread of unpack-threads.ts does: unpacks layers, several at once as they come. */
import { on } from 'node:events';
import { Readable } from 'node:stream';
import type { MessagePort } from 'node:worker_threads';
import { parentPort } from 'node:worker_threads';
import type { UnpackedLayer, UnpackOptions } from './unpack-layer.js';
import { unpackLayer } from './unpack-layer.js';

/** A layer to be unpacked. */
export interface UnpackJob {
  /** See unpackLayer. */
  readonly directory: string;
  readonly options: UnpackOptions;
  /** Where the archive comes from, and where the answer goes. */
  readonly port: MessagePort;
}

/** A piece of the archive; `end` behind the last one, `gone` when there will be no more. */
export type Piece = Uint8Array<ArrayBuffer> | 'end' | 'gone';

/** That a piece was taken; or how it ended. Why it failed shows again where it is tried again. */
export type UnpackAnswer = 'taken' | UnpackedLayer | 'failed';

async function* pieces(port: MessagePort): AsyncGenerator<Buffer> {
  for await (const [piece] of on(port, 'message') as AsyncIterable<[Piece]>) {
    if (piece === 'end') return;
    if (piece === 'gone') throw new Error('the archive does not go on');
    yield Buffer.from(piece.buffer);
    port.postMessage('taken' satisfies UnpackAnswer);
  }
}

async function answer({ directory, options, port }: UnpackJob): Promise<UnpackAnswer> {
  const source = Readable.from(pieces(port), { objectMode: false });
  try {
    return await unpackLayer(source, directory, options);
  } catch {
    return 'failed';
  }
}

parentPort?.on('message', async (job: UnpackJob) => {
  job.port.postMessage(await answer(job));
  job.port.close();
});
