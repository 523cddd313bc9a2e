/**
 * Before undici is loaded: its HTTP parser is WebAssembly, and V8 begins to compile the parser's
 * one large function a second time, optimized, after a few answers. A process does not end before
 * that is done: 70 ms for nothing, because what goes through the parser are headers.
 */
import { setFlagsFromString } from 'node:v8';

/** V8 warns of flags it does not know; the Node versions up to this one do. */
const LAST_KNOWN = 24;

if (Number.parseInt(process.versions.node, 10) <= LAST_KNOWN) {
  setFlagsFromString('--wasm-tiering-budget=1000000000');
}
