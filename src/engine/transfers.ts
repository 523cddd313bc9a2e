/** Counts the bytes of streams, for people who wait for them. */
import { pipeline, Transform } from 'node:stream';
import type { ImageSink, OpenBlob } from '../oci/resolved-image.js';
import type { ByteCounter, OpenCounter } from '../util/byte-counter.js';
import type { EventSink, TransferEvent, TransferKind } from './events.js';

/** Between two events of one transfer. ms */
const PAUSE_MS = 250;

/** Tells how far one attempt is. */
type Tell = (done: number, state: TransferEvent['state']) => void;

/** @param facts what all events of the transfer have */
function teller(
  emit: EventSink,
  clock: () => number,
  facts: Pick<TransferEvent, 'id' | 'what' | 'name' | 'total'>,
): { readonly tell: Tell; readonly isDue: () => boolean } {
  const began = clock();
  let told = began;
  const tell: Tell = (done, state) => {
    told = clock();
    const durationMs = Math.round(told - began);
    emit({ type: 'transfer', ...facts, done, durationMs, state });
  };
  return { tell, isDue: () => clock() - told >= PAUSE_MS };
}

/**
 * Opens a transfer whose bytes another one counts. Nothing is told of what is over before anybody
 * could read it.
 */
export type Gauge = (what: TransferKind, name: string, total: number | undefined) => ByteCounter;

/** What opens the one transfer that somebody who moves bytes has; nothing where nobody listens. */
export function getCounter(
  { gauge }: { readonly gauge?: Gauge },
  what: TransferKind,
  name: string,
): OpenCounter | undefined {
  return gauge && ((total) => gauge(what, name, total));
}

/**
 * @param scope begins the ids; see transferMeter
 * @param clock ms, from any beginning
 */
export function transferGauge(
  emit: EventSink,
  scope = 'g',
  clock: () => number = () => performance.now(),
): Gauge {
  let number = 0;
  return (what, name, total) => {
    number += 1;
    const size = total === undefined ? {} : { total };
    const { tell, isDue } = teller(emit, clock, { id: `${scope}${number}`, what, name, ...size });
    let done = 0;
    let isTold = false;
    return {
      add(bytes) {
        done += bytes;
        if (!isDue()) return;
        isTold = true;
        tell(done, 'running');
      },
      end(state) {
        if (isTold) tell(done, state);
      },
    };
  };
}

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
      let done = 0;
      const size = total === undefined ? {} : { total };
      const { tell, isDue } = teller(emit, clock, { id, what, name, ...size });
      tell(done, 'running');
      try {
        const source = await open();
        const counter = new Transform({
          transform(chunk: Buffer, _encoding, pass) {
            done += chunk.length;
            if (isDue()) tell(done, 'running');
            pass(null, chunk);
          },
        });
        return pipeline(source, counter, (error) => tell(done, error ? 'failed' : 'done'));
      } catch (error) {
        tell(done, 'failed');
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
    putBlob: (descriptor, open, options) =>
      sink.putBlob(descriptor, meter(what, descriptor.digest, descriptor.size, open), options),
    ...(putGrowingBlob && {
      putGrowingBlob: (open, made) =>
        putGrowingBlob(meter(what, 'a layer that is being compressed', undefined, open), made),
    }),
  };
}
