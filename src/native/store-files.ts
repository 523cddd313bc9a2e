/** What a store asks of its file system. */
import { requestFiles, rootPath } from './file-server.js';
import { ASK } from './frames.js';
import { payloadWriter } from './payload.js';

const onlyPath = (path: string) => payloadWriter().text(rootPath(path)).end();

/** Everything on a directory's file system is on disk when this resolves: syncfs(2). */
export async function syncFileSystemOf(directory: string): Promise<void> {
  await requestFiles(ASK.sync, onlyPath(directory));
}

/**
 * Some files and trees are on disk when this resolves; others of the file system need not be. Only for file systems
 * whose journal puts all changes of names and sizes on disk in one order, after the data that they speak of.
 * @param root trusted path
 * @param moment a directory below it that is made for a moment
 * @param paths below it; what is not there is left out
 * @throws the file system's errors, IsolationError
 */
export async function syncTrees(
  root: string,
  moment: string,
  paths: readonly string[],
): Promise<void> {
  const payload = payloadWriter().text(rootPath(root)).text(moment);
  for (const path of paths) payload.text(path);
  await requestFiles(ASK.syncTrees, payload.end());
}

/**
 * Marks a directory as the top of trees that have nothing to do with each other: chattr(1), `T`.
 * @throws ENOTTY, EOPNOTSUPP where the file system has no such mark
 */
export async function markTopDirectory(directory: string): Promise<void> {
  await requestFiles(ASK.spread, onlyPath(directory));
}

/**
 * The types of a directory's few entries as the directory itself has them (d_type of getdents64(2)):
 * 0 where it has none. Node looks the type up in the file itself then, and never says so.
 */
export async function entryTypes(directory: string): Promise<number[]> {
  return [...(await requestFiles(ASK.types, onlyPath(directory)))];
}

/**
 * Makes FIFOs in a directory.
 * @param directory trusted path
 * @param names of files that are not there
 * @throws the file system's errors: EPERM, EOPNOTSUPP where it has no FIFOs; IsolationError
 */
export async function makeFifos(directory: string, names: readonly string[]): Promise<void> {
  const payload = payloadWriter().text(rootPath(directory));
  for (const name of names) payload.text(name);
  await requestFiles(ASK.fifos, payload.end());
}

/**
 * Removes small trees that nobody uses any more.
 * @param directory trusted path
 * @param names of what is to go; what is not there does no harm
 * @throws ELOOP for a deep one; the file system's errors, IsolationError
 */
export async function removeTrees(directory: string, names: readonly string[]): Promise<void> {
  const payload = payloadWriter().text(rootPath(directory));
  for (const name of names) payload.text(name);
  await requestFiles(ASK.remove, payload.end());
}
