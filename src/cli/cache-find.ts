/** `wiac cache find` */
import type { FoundFile } from '../engine/contents/find-files.js';
import { findFiles } from '../engine/contents/find-files.js';
import { formatTable } from '../ui/format.js';
import { NotFoundError } from '../util/errors.js';
import type { SetExitCode } from './declare/options.js';
import { withScanStore, withStoreAsRoot } from './with-store.js';

const HEAD = ['LAYER', 'MODE', 'SIZE', 'DIGEST', 'PATH', 'INSTRUCTION'];

function toRow({ layer, mode, size, digest, type, path, instruction }: FoundFile): string[] {
  return [
    layer,
    mode,
    String(size),
    digest === null ? type : digest.slice('sha256:'.length).slice(0, 12),
    path,
    instruction.replaceAll('\n', ' '),
  ];
}

/** Prints where the file is. @throws NotFoundError when no layer holds it, UsageError */
export function findCommand(
  wanted: string,
  options: { readonly format: 'table' | 'json' },
  setExitCode: SetExitCode,
): Promise<void> {
  return withStoreAsRoot(setExitCode, (store) =>
    withScanStore(store, async (scanStore) => {
      const found: FoundFile[] = [];
      for await (const file of findFiles(store, scanStore, wanted)) found.push(file);
      if (found.length === 0) {
        throw new NotFoundError(`no layer holds ${wanted}`, {
          hint: 'give the path in the image, which may have wildcards, or a digest',
        });
      }
      process.stdout.write(
        options.format === 'json'
          ? `${JSON.stringify(found, null, 2)}\n`
          : formatTable([HEAD, ...found.map(toRow)]),
      );
    }),
  );
}
