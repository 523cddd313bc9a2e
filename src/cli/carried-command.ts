/** `wiac sbom`, `wiac provenance` */
import { describeProvenance } from '../attest/describe-provenance.js';
import { spdxPackages } from '../attest/spdx-packages.js';
import type { ImageDocument } from '../engine/contents/carried.js';
import { imageProvenance, imageSbom } from '../engine/contents/carried.js';
import { formatTable } from '../ui/format.js';
import type { ContentsOptions } from './contents-options.js';
import { subjectAccess } from './contents-options.js';
import type { SetExitCode } from './declare/options.js';
import { changeStore } from './with-store.js';

function tellOthers({ others }: ImageDocument, name: string, kind: string): void {
  if (others > 0)
    process.stderr.write(`wiac: ${name} carries ${others} more ${kind}, which are not shown\n`);
}

/** `wiac sbom NAME`. @throws NotFoundError, ImageError, UnsupportedError */
export function sbomCommand(
  name: string,
  options: ContentsOptions & { readonly format: 'spdx' | 'text' },
  setExitCode: SetExitCode,
): Promise<void> {
  return changeStore(setExitCode, async (store) => {
    const found = await imageSbom(store, name, await subjectAccess(options));
    if (!found.isCarried)
      process.stderr.write(
        `wiac: ${name} carries no SBOM: this one is made of what dpkg and apk say in its layers\n`,
      );
    tellOthers(found, name, 'SBOMs');
    if (options.format === 'spdx')
      return void process.stdout.write(`${JSON.stringify(found.document, null, 2)}\n`);
    const rows = spdxPackages(found.document).map(({ name: item, version, type, license }) => [
      ...[item, version, type === '' ? '-' : type],
      license === '' ? '-' : license,
    ]);
    process.stdout.write(formatTable([['NAME', 'VERSION', 'TYPE', 'LICENSE'], ...rows]));
  });
}

/** `wiac provenance NAME`. @throws NotFoundError, ImageError, UnsupportedError */
export function provenanceCommand(
  name: string,
  options: ContentsOptions & { readonly format: 'slsa' | 'text' },
  setExitCode: SetExitCode,
): Promise<void> {
  return changeStore(setExitCode, async (store) => {
    const found = await imageProvenance(store, name, await subjectAccess(options));
    tellOthers(found, name, 'provenance statements');
    const text =
      options.format === 'slsa'
        ? `${JSON.stringify(found.document, null, 2)}\n`
        : formatTable(describeProvenance(found.document).map(([key, value]) => [key, value]));
    process.stdout.write(text);
  });
}
