/** `wiac diff` */
import type { PackageChange } from '../attest/compare-packages.js';
import type { ComparedPair } from '../engine/contents/diff-images.js';
import { changedFiles, changedPackages, comparedImages } from '../engine/contents/diff-images.js';
import { findImage } from '../engine/images/find-image.js';
import { comparedSteps } from '../engine/step-files.js';
import type { FileChange, ShownFile } from '../fs/layer/diff-stacks.js';
import { isImageName } from '../store/images/store-images.js';
import { formatBytes, formatTable } from '../ui/format.js';
import { shownText } from '../ui/terminal-text.js';
import { UsageError } from '../util/errors.js';
import { subjectAccess } from './contents-options.js';
import type { SetExitCode } from './declare/options.js';
import type { DockerfileOptions } from './dockerfile-input.js';
import { isDirectory } from './is-directory.js';
import { isWrittenAsContext, withStepFiles } from './step-operands.js';
import { changeStore, withStore } from './with-store.js';

/** Options of `wiac diff`, as commander gives them. */
export interface DiffOptions extends DockerfileOptions {
  readonly patch: boolean;
  readonly packages: boolean;
  readonly json: boolean;
  readonly exitCode: boolean;
}

const octal = (mode: number) => mode.toString(8).padStart(4, '0');

/** The names of the attributes that are other ones. */
function otherXattrs(before: ShownFile, after: ShownFile): string[] {
  const [old, now] = [before, after].map(({ xattrs = [] }) => new Map(xattrs));
  const names = [...(old?.keys() ?? []), ...(now?.keys() ?? [])];
  return [...new Set(names)].filter((name) => old?.get(name) !== now?.get(name)).sort();
}

function differences({ before, after, isContent }: FileChange): string {
  if (!before || !after) return '';
  if (before.type !== after.type) return `${before.type} became ${after.type}`;
  const parts = isContent ? ['content'] : [];
  if (before.target !== after.target) parts.push(`-> ${after.target}, before ${before.target}`);
  if (before.device !== after.device) parts.push('device');
  if (before.mode !== after.mode) parts.push(`mode ${octal(before.mode)} -> ${octal(after.mode)}`);
  if (before.uid !== after.uid || before.gid !== after.gid)
    parts.push(`owner ${before.uid}:${before.gid} -> ${after.uid}:${after.gid}`);
  const xattrs = otherXattrs(before, after);
  if (xattrs.length > 0) parts.push(`xattrs ${xattrs.join(' ')}`);
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

function packageText(changes: readonly PackageChange[]): string {
  const rows = changes.map(({ change, name, before = '-', after = '-' }) => [
    ...[change, name],
    ...[before, after],
  ]);
  return rows.length === 0 ? '' : formatTable([['CHANGE', 'PACKAGE', 'BEFORE', 'AFTER'], ...rows]);
}

/** Patches on a terminal drive nothing; elsewhere they are as the files are. */
function writePatches(patches: readonly string[]): void {
  const text = Buffer.from(patches.join(''), 'latin1');
  process.stdout.write(process.stdout.isTTY ? shownText(text.toString('utf8')) : text);
}

function writeJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, (_, member) => member ?? null, 2)}\n`);
}

async function writeFiles(pair: ComparedPair, { patch, json }: DiffOptions): Promise<number> {
  const changes = await changedFiles(pair);
  if (patch) {
    const { filePatch } = await import('../engine/contents/file-patches.js');
    const [before, after] = [await pair[0].stack(), await pair[1].stack()];
    writePatches(changes.flatMap((change) => filePatch(before, after, change) ?? []));
  } else if (json) writeJson(changes);
  else process.stdout.write(fileText(changes));
  return changes.length;
}

async function writePackages(pair: ComparedPair, { json }: DiffOptions): Promise<number> {
  const changes = await changedPackages(pair);
  if (json) writeJson(changes);
  else process.stdout.write(packageText(changes));
  return changes.length;
}

/** Nothing is printed when nothing differs. */
async function writeDifferences(
  pair: ComparedPair,
  options: DiffOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  const write = options.packages ? writePackages : writeFiles;
  const count = await write(pair, options);
  if (options.exitCode && count > 0) setExitCode(1);
}

/**
 * Is the first operand a build context? Where the second can be the name of an image, an image of the store comes
 * first: ./NAME is the directory.
 */
async function namesContext(words: readonly string[]): Promise<boolean> {
  const [first = '', second] = words;
  if (words.length > 2 || isWrittenAsContext(first)) return true;
  if (!isDirectory(first)) return false;
  // Instructions have spaces and capitals.
  if (second !== undefined && !isImageName(second)) return true;
  let isImage = false;
  await withStore(async (store) => {
    isImage = (await findImage(store, first)) !== undefined;
  });
  return !isImage;
}

/** `wiac diff A B` and `wiac diff PATH STEP [STEP]`. @throws ImageError, UnsupportedError, NotFoundError, UsageError */
export async function diffCommand(
  words: readonly string[],
  options: DiffOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  const [first = '', ...others] = words;
  const [second = ''] = others;
  for (const [given, option] of [
    [options.packages, '--packages'],
    [options.json, '--json'],
  ] as const)
    if (options.patch && given) throw new UsageError(`--patch and ${option} exclude each other`);
  if (!(await namesContext(words)))
    return changeStore(setExitCode, async (store) => {
      const access = await subjectAccess(options);
      const pair = await comparedImages(store, first, second, access);
      await writeDifferences(pair, options, setExitCode);
    });
  return withStepFiles(first, others, options, setExitCode, async (store, [one, other]) => {
    if (one) await writeDifferences(await comparedSteps(store, one, other), options, setExitCode);
  });
}
