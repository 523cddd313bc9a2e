/**
 * Finds the native part of lmdb: the only package that an installed wiac has. It stands in for the
 * package that lmdb looks for it with (bundle.js).
 */
import { readElf } from '../libs/elf.js';
import { IsolationError } from '../util/errors.js';

interface Addon {
  /** Values are read into it. lmdb's JavaScript has given it a maxLength when it reads from it. */
  globalBuffer: Buffer & { readonly maxLength?: number };
  readonly setGlobalBuffer: (buffer: Buffer) => void;
}

/** lmdb-js takes a larger one for a larger value. */
const VALUE_BYTES = 1 << 20;

/**
 * The addon begins with a buffer of 16 MiB. V8 counts it as garbage to come: in a build of 20 steps it marked the whole
 * heap once, for 10 ms, because of that alone. Whoever loads the same file in this process gets the same addon, which
 * reads into one buffer: another version of wiac, a program that uses lmdb, each test file of Jest. The first one's stays.
 */
export function withSmallBuffer<Given extends Addon>(addon: Given): Given {
  if (addon.globalBuffer.maxLength !== undefined) return addon;
  const buffer = Buffer.allocUnsafeSlow(VALUE_BYTES);
  addon.setGlobalBuffer(buffer);
  addon.globalBuffer = buffer;
  return addon;
}

/**
 * The C library that a program is linked with.
 * @param interpreter its PT_INTERP. Tools that change an executable (patchelf, postject) move it
 *   away from the file's beginning, so it is found by the program header.
 */
export function getLibc(interpreter: string | undefined): 'glibc' | 'musl' {
  return interpreter?.includes('/ld-musl-') ? 'musl' : 'glibc';
}

/**
 * Files of the package that hold the addon, best first: made for this Node's V8, or for any Node.
 * @param modules process.versions.modules
 */
export function addonNames(libc: 'glibc' | 'musl', modules: string): readonly string[] {
  return [`node.abi${modules}.${libc}.node`, `node.napi.${libc}.node`];
}

/**
 * The addon for this processor, Node and C library, from the package that npm chose for this
 * machine.
 * @throws IsolationError when it is not installed, or can't be loaded
 */
export function loadAddon(): Addon {
  const { arch, execPath, versions } = process;
  const libc = getLibc(readElf(execPath)?.interpreter);
  const [best, any] = addonNames(libc, versions.modules ?? '');
  const directory = `@lmdb/lmdb-linux-${arch}`;
  try {
    return withSmallBuffer(require(`${directory}/${best}`));
  } catch {
    // There is none for this Node.
  }
  try {
    return withSmallBuffer(require(`${directory}/${any}`));
  } catch (error) {
    const [reason] = (error as Error).message.split('\n');
    throw new IsolationError(`the package ${directory} can't be loaded (${libc}): ${reason}`, {
      hint: 'install wiac on this machine, with its optional dependencies: npm install --include=optional',
      cause: error,
    });
  }
}
