/**
 * Tells V8 that this process ends soon, so that it spends less time on making code faster that runs
 * for a second at most. To load node:v8 takes 5 ms, which a build that runs nothing must not spend.
 */
import { setFlagsFromString } from 'node:v8';

/** V8 warns of flags it does not know; the Node versions up to this one do. */
const LAST_KNOWN = 24;

function set(flag: string): void {
  if (Number.parseInt(process.versions.node, 10) <= LAST_KNOWN) setFlagsFromString(flag);
}

/**
 * Before undici is loaded: its HTTP parser is WebAssembly, and V8 begins to compile the parser's one
 * large function a second time, optimized, after a few answers. A process does not end before that
 * is done: 70 ms for nothing, because what goes through the parser are headers. libdeflate, which is
 * WebAssembly too, reaches that number within its first ten megabytes.
 */
export function deferWebAssembly(): void {
  set('--wasm-tiering-budget=1000000000');
}

/** What that was before, in Node 20. */
export function restoreWebAssembly(): void {
  set('--wasm-tiering-budget=1800000');
}

/**
 * For commands that move images: a function is optimized when it has run through 500 KB of bytecode,
 * not 66. A push of 170 MB takes 5 % less time on two cores.
 */
export function deferOptimization(): void {
  deferWebAssembly();
  set('--interrupt-budget=500000');
}
