/** Finds the native part of lmdb, in place of the package that looks for it in a dozen places. */
import { dirname } from 'node:path';

type Addon = Record<string, unknown>;

/**
 * The addon for this Node and glibc, from the package that npm installed for this machine; where
 * that can't be loaded (musl, a Node it was not built for), whatever lmdb itself would find.
 * @throws when there is none
 */
export function loadAddon(): Addon {
  const lmdb = dirname(require.resolve('lmdb'));
  const paths = [lmdb];
  const { modules } = process.versions;
  const usual = `@lmdb/lmdb-linux-${process.arch}/node.abi${modules}.glibc.node`;
  try {
    return require(require.resolve(usual, { paths }));
  } catch {
    const search = require(require.resolve('node-gyp-build-optional-packages', { paths }));
    return search(dirname(lmdb));
  }
}
