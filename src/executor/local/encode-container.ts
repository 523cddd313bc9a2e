/** What wiac-sys is told to make a container. */
import { readFileSync } from 'node:fs';
import { isatty } from 'node:tty';
import { heldCapabilities } from './capabilities.js';
import type { Container, StreamKind } from './container.js';
import { enterOperations } from './enter-operations.js';
import { encodeOperations } from './operations.js';
import { runtimeOperations } from './runtime-operations.js';

/** An OCI runtime makes a terminal for all three streams or for none. */
function wantsTerminal({ terminal }: Container, streams: StreamKind): boolean {
  return streams === 'relay' && (terminal || [0, 1, 2].every((stream) => isatty(stream)));
}

/** @throws IsolationError as encodeOperations */
export function encodeContainer(container: Container, streams: StreamKind): Buffer {
  const { runtime } = container;
  const held = () => heldCapabilities(readFileSync('/proc/self/status', 'latin1'));
  const operations =
    runtime === undefined
      ? enterOperations(container, streams)
      : runtimeOperations(container, streams, {
          path: runtime,
          held: held(),
          terminal: wantsTerminal(container, streams),
        });
  return encodeOperations(operations);
}
