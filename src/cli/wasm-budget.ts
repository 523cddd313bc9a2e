/**
 * Before anything else is loaded: the HTTP parser of undici is WebAssembly, and V8 begins to compile
 * its one large function a second time, optimized, after a few answers. A process does not end
 * before that is done: 70 ms for nothing, because what goes through the parser are headers. And
 * compiled code that is kept (start.ts) counts for one set of V8's flags only, so that they must not
 * change later.
 */
import { setFlagsFromString } from 'node:v8';

/** V8 warns of flags it does not know; the Node versions up to this one do. */
const LAST_KNOWN = 24;

if (Number.parseInt(process.versions.node, 10) <= LAST_KNOWN) {
  setFlagsFromString('--wasm-tiering-budget=1000000000');
}
