/** overlayfs needs a file system that says in a directory of which type each entry is. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { entryTypes } from '../../native/store-files.js';
import { checkpoint } from '../../util/checkpoint.js';
import { StoreError } from '../../util/errors.js';
import type { StorePaths } from '../paths.js';

/**
 * Looks with a directory in tmp/ that has the name of this process: after a kill it is cleared away.
 * @throws StoreError when the file system of the store does not know types of entries
 */
export async function requireFileTypes({ tmp, self }: StorePaths): Promise<void> {
  const path = join(tmp, `types.${self.id}`);
  try {
    mkdirSync(path);
    checkpoint('store:probed');
    writeFileSync(join(path, 'probe'), '');
    if (!(await entryTypes(path)).includes(0)) return;
    throw new StoreError(`the file system of ${tmp} has no file types in its directories`, {
      hint: 'overlayfs needs them: format the file system with them (mkfs.ext4 -O filetype, mkfs.xfs -n ftype=1), or set WIAC_ROOT to a directory on another one',
    });
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}
