/** `wiac diff` */
import { diffFiles, diffPackages } from '../engine/contents/diff-images.js';
import type { FileChange, ShownFile } from '../fs/layer/diff-stacks.js';
import { formatBytes, formatTable } from '../ui/format.js';
import type { ContentsOptions } from './contents-options.js';
import { subjectAccess } from './contents-options.js';
import type { SetExitCode } from './declare/options.js';
import { changeStore } from './with-store.js';

/** Options of `wiac diff`, as commander gives them. */
export interface DiffOptions extends ContentsOptions {
  readonly packages: boolean;
  readonly json: boolean;
  readonly exitCode: boolean;
}

const octal = (mode: number) => mode.toString(8).padStart(4, '0');

function differences({ before, after, isContent }: FileChange): string {
  if (!before || !after) return '';
  if (before.type !== after.type) return `${before.type} became ${after.type}`;
  const parts = isContent ? ['content'] : [];
  if (before.target !== after.target) parts.push(`-> ${after.target}, before ${before.target}`);
  if (before.device !== after.device) parts.push('device');
  if (before.mode !== after.mode) parts.push(`mode ${octal(before.mode)} -> ${octal(after.mode)}`);
  if (before.uid !== after.uid || before.gid !== after.gid)
    parts.push(`owner ${before.uid}:${before.gid} -> ${after.uid}:${after.gid}`);
  return parts.join(', ');
}

function sizes({ before, after }: FileChange): string {
  const size = (file: ShownFile | undefined) =>
    file?.type === 'file' ? formatBytes(file.size) : '-';
  if (!before || !after) return size(before ?? after);
  return before.size === after.size ? size(after) : `${size(before)} -> ${size(after)}`;
}

/** A, C and D are those of docker diff. */
function fileText(changes: readonly FileChange[]): string {
  const rows = changes.map((change) => {
    const letter = change.before ? (change.after ? 'C' : 'D') : 'A';
    return [letter, sizes(change), `/${change.path}`, differences(change)];
  });
  return formatTable(rows);
}

function packageText(changes: Awaited<ReturnType<typeof diffPackages>>): string {
  const rows = changes.map(({ change, name, before = '-', after = '-' }) => [
    ...[change, name],
    ...[before, after],
  ]);
  return rows.length === 0 ? '' : formatTable([['CHANGE', 'PACKAGE', 'BEFORE', 'AFTER'], ...rows]);
}

/** `wiac diff A B`: nothing is printed when nothing differs. @throws ImageError, UnsupportedError */
export function diffImagesCommand(
  before: string,
  after: string,
  options: DiffOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  return changeStore(setExitCode, async (store) => {
    const access = await subjectAccess(options);
    const [count, text, value] = options.packages
      ? await diffPackages(store, before, after, access).then(
          (changes) => [changes.length, packageText(changes), changes] as const,
        )
      : await diffFiles(store, before, after, access).then(
          (changes) => [changes.length, fileText(changes), changes] as const,
        );
    process.stdout.write(
      options.json ? `${JSON.stringify(value, (_, member) => member ?? null, 2)}\n` : text,
    );
    if (options.exitCode && count > 0) setExitCode(1);
  });
}
