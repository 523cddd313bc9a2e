/** Messages between wiac and wiac-sys; native/message.h has the same numbers. Pure. */

/** What wiac-sys is asked for. */
export const ASK = {
  version: 1,
  run: 2,
  signal: 3,
  rest: 4,
  xattrs: 16,
  tree: 17,
  set: 18,
  link: 19,
  copy: 20,
  sync: 21,
  spread: 22,
  types: 23,
  stats: 24,
  digests: 25,
  fill: 26,
  list: 27,
  fifos: 28,
  remove: 29,
  syncTrees: 30,
} as const;

/** What it tells. */
export const TELL = {
  version: 1,
  output: 2,
  ended: 3,
  refused: 4,
  part: 16,
  done: 17,
  failed: 18,
} as const;

/** Of messages that this wiac understands. */
export const PROTOCOL = '4';

/** Length of the payload, number of the request, kind. */
const HEADER_BYTES = 9;

/** A message. `id` is the number of the request that it belongs to. */
export interface Frame {
  readonly id: number;
  readonly kind: number;
  readonly payload: Buffer;
}

export function encodeFrame({ id, kind, payload }: Frame): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(payload.length, 0);
  header.writeUInt32LE(id, 4);
  header.writeUInt8(kind, 8);
  return Buffer.concat([header, payload]);
}

/** @returns a function that gets bytes as they come, and calls `onFrame` for each complete message */
export function frameReader(onFrame: (frame: Frame) => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let length = 0;
  let wanted = HEADER_BYTES;
  return (chunk) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length < wanted) return;
    let bytes = chunks.length === 1 ? chunk : Buffer.concat(chunks);
    for (;;) {
      wanted = HEADER_BYTES;
      if (bytes.length < wanted) break;
      wanted += bytes.readUInt32LE(0);
      if (bytes.length < wanted) break;
      const [id, kind] = [bytes.readUInt32LE(4), bytes.readUInt8(8)];
      onFrame({ id, kind, payload: bytes.subarray(HEADER_BYTES, wanted) });
      bytes = bytes.subarray(wanted);
    }
    chunks = [bytes];
    length = bytes.length;
  };
}
