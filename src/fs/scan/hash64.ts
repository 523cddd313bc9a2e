/** xxhash64, loaded when a build begins: WebAssembly has to be compiled first. */
import xxhash from 'xxhash-wasm';
import type { Hash64 } from './fingerprint.js';

export async function createHash64(): Promise<Hash64> {
  const { h64Raw } = await xxhash();
  return (bytes) => h64Raw(bytes);
}
