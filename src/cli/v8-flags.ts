/**
 * Before anything else is loaded: tells V8 that this process ends soon, so that it spends less time
 * on making code faster that runs for a second at most.
 * - The HTTP parser of undici is WebAssembly, and V8 begins to compile its one large function a
 *   second time, optimized, after a few answers. A process does not end before that is done: 70 ms
 *   for nothing, because what goes through the parser are headers.
 * - A function is optimized when it has run through 500 KB of bytecode, not 66: a push of 170 MB
 *   takes 5 % less time on two cores, a build no more.
 *
 * Compiled code that is kept (start.ts) counts for one set of flags only: nothing may change them
 * later.
 */
import { setFlagsFromString } from 'node:v8';

/** V8 warns of flags it does not know; the Node versions up to this one do. */
const LAST_KNOWN = 24;

if (Number.parseInt(process.versions.node, 10) <= LAST_KNOWN) {
  setFlagsFromString('--wasm-tiering-budget=1000000000');
  setFlagsFromString('--interrupt-budget=500000');
}
