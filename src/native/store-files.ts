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
