/**
 * What Node can't do to a layer's files, put off so that one request does it for all of them.
 * Paths are remembered, because replacing such a file must wait until it is done: another
 * hard link may keep the file alive.
 */
import type { ByteString } from '../../oci/tar/entry.js';
import type { SystemCall } from './syscalls.js';
import { runSystemCalls, runSystemCallsNow } from './syscalls.js';

/** Bytes of xattr values and paths that may wait: bounds the memory. */
const MAX_WAITING = 4 << 20;

export interface Pending {
  add(call: SystemCall): void;
  has(path: ByteString): boolean;
  /** @throws ImageError when a call fails */
  flush(): Promise<void>;
  /** The same while an archive is read, and what comes next builds on it: it takes a process. */
  flushNow(): void;
}

/** @param directory the layer, which the calls' paths are relative to */
export function createPending(directory: string): Pending {
  let calls: SystemCall[] = [];
  let bytes = 0;
  const paths = new Set<ByteString>();
  const takeBatch = () => {
    const batch = calls;
    calls = [];
    bytes = 0;
    paths.clear();
    return batch;
  };
  const flushNow = () => runSystemCallsNow(directory, takeBatch());
  return {
    add(call) {
      calls.push(call);
      paths.add(call.path);
      bytes += 100 + call.path.length + (call.call === 'setxattr' ? call.value.length : 0);
      if (bytes > MAX_WAITING) flushNow();
    },
    has: (path) => paths.has(path),
    flush: () => runSystemCalls(directory, takeBatch()),
    flushNow,
  };
}
