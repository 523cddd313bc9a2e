/**
 * Deflate data (RFC 1951) by libdeflate, as WebAssembly: the same bytes on every processor and with
 * every Node. README.md says where libdeflate.wasm is from.
 */
import { readFileSync } from 'node:fs';

/** What is used of it; @types/node leaves it to the types of browsers. */
declare const WebAssembly: {
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

/** The module's functions. Pointers are places in its memory, sizes are bytes; 0 is a failure. */
interface Libdeflate {
  readonly memory: { readonly buffer: ArrayBuffer };
  malloc(size: number): number;
  free(pointer: number): void;
  libdeflate_alloc_compressor(level: number): number;
  libdeflate_free_compressor(compressor: number): void;
  /** The most bytes that so many can become. */
  libdeflate_deflate_compress_bound(compressor: number, size: number): number;
  /** @returns bytes that were written */
  libdeflate_deflate_compress(
    compressor: number,
    input: number,
    inputSize: number,
    output: number,
    outputSize: number,
  ): number;
}

function load(): Libdeflate {
  const code = readFileSync(new URL('libdeflate.wasm', import.meta.url));
  return new WebAssembly.Instance(new WebAssembly.Module(code)).exports as Libdeflate;
}

/** Loaded when it is first needed; the thread's next calls use it again. */
let loaded: Libdeflate | undefined;

/**
 * Compresses bytes.
 * @param level 1 to 12
 * @throws Error when there is not enough memory
 */
export function deflate(data: Uint8Array, level: number): Uint8Array {
  loaded ??= load();
  const library = loaded;
  const compressor = library.libdeflate_alloc_compressor(level);
  const room = library.libdeflate_deflate_compress_bound(compressor, data.length);
  const input = library.malloc(Math.max(1, data.length));
  const output = library.malloc(room);
  try {
    if (compressor === 0 || input === 0 || output === 0)
      throw new Error(`libdeflate has no memory for ${data.length} bytes at level ${level}`);
    new Uint8Array(library.memory.buffer).set(data, input);
    const written = library.libdeflate_deflate_compress(
      compressor,
      input,
      data.length,
      output,
      room,
    );
    return new Uint8Array(library.memory.buffer).slice(output, output + written);
  } finally {
    library.free(output);
    library.free(input);
    library.libdeflate_free_compressor(compressor);
  }
}
