/** Counts the bytes of streams, for people who wait for them. */
import { pipeline, Transform } from 'node:stream';
import type { ImageSink, OpenBlob } from '../oci/resolved-image.js';
import type { EventSink, TransferEvent, TransferKind } from './events.js';

/** Between two events of one transfer. ms */
const PAUSE_MS = 250;

/**
 * Opens what `open` opens, and tells how far it has been read. A stream that is opened again (another attempt)
 * is the same transfer from its beginning.
 * @param name the layer's digest, the file or the directory
 * @param total bytes; undefined as long as nobody knows
 */
export type Meter = (
  what: TransferKind,
  name: string,
  total: number | undefined,
  open: OpenBlob,
) => OpenBlob;

/** A meter for those to whom nobody listens. */
export const unmetered: Meter = (_what, _name, _total, open) => open;

/**
 * @param scope begins the ids; meters of one build need different ones
 * @param clock ms, from any beginning
 */
export function transferMeter(
  emit: EventSink,
  scope = 't',
  clock: () => number = () => performance.now(),
): Meter {
  let number = 0;
  return (what, name, total, open) => {
    number += 1;
    const id = `${scope}${number}`;
    return async () => {
      const began = clock();
      let told = Number.NEGATIVE_INFINITY;
      let done = 0;
      const tell = (state: TransferEvent['state']): void => {
        told = clock();
        const durationMs = Math.round(told - began);
        const size = total === undefined ? {} : { total };
        emit({ type: 'transfer', id, what, name, done, ...size, durationMs, state });
      };
      tell('running');
      try {
        const source = await open();
        const counter = new Transform({
          transform(chunk: Buffer, _encoding, pass) {
            done += chunk.length;
            if (clock() - told >= PAUSE_MS) tell('running');
            pass(null, chunk);
          },
        });
        return pipeline(source, counter, (error) => tell(error ? 'failed' : 'done'));
      } catch (error) {
        tell('failed');
        throw error;
      }
    };
  };
}

/** A sink whose blobs are counted on their way into it. */
export function meteredSink(sink: ImageSink, what: TransferKind, meter: Meter): ImageSink {
  const { putGrowingBlob } = sink;
  return {
    ...sink,
    putBlob: (descriptor, open) =>
      sink.putBlob(descriptor, meter(what, descriptor.digest, descriptor.size, open)),
    ...(putGrowingBlob && {
      putGrowingBlob: (open, made) =>
        putGrowingBlob(meter(what, 'a layer that is being compressed', undefined, open), made),
    }),
  };
}
