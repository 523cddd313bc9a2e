/**
 * undici's HTTP parser is WebAssembly. V8 would begin to compile its one large function a second
 * time, optimized, after a few answers, and a process does not end before that is done: 60 ms of a
 * push (170 ms) for nothing, because what goes through the parser are headers. So it is compiled with a budget that
 * no command uses up.
 *
 * The flag is set for that moment only. As long as any flag differs from its default, V8 refuses
 * the compiled code that Node brings along for its own modules: each of them, and all that a worker
 * thread begins with, would be compiled from source (100 ms of a push).
 */
import { setFlagsFromString } from 'node:v8';

/** What is used of it; @types/node leaves it to the types of browsers. */
declare const WebAssembly: {
  compile(code: Uint8Array): Promise<unknown>;
  readonly Module: new (code: Uint8Array) => unknown;
};

/** V8's default, in bytes that were run, by Node's major version. Others compile as they do. */
const DEFAULT_BUDGETS: Readonly<Record<string, number>> = {
  20: 1_800_000,
  22: 13_000_000,
  24: 13_000_000,
};
const LARGE_BUDGET = 1_000_000_000;

const budget = DEFAULT_BUDGETS[process.versions.node.split('.')[0] as string];

const { compile } = WebAssembly;
if (budget !== undefined) {
  WebAssembly.compile = async (code) => {
    WebAssembly.compile = compile;
    setFlagsFromString(`--wasm-tiering-budget=${LARGE_BUDGET}`);
    try {
      return new WebAssembly.Module(code);
    } finally {
      setFlagsFromString(`--wasm-tiering-budget=${budget}`);
    }
  };
}
