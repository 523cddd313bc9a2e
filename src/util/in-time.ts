/** Work on texts of others, which may have been written to have no end. */
import { runInNewContext } from 'node:vm';

/**
 * Does something that waits for nothing.
 * @param ms so long it may take
 * @param work its errors are thrown as they are
 * @returns what it returns; undefined when it took longer
 */
export function inTime<T>(ms: number, work: () => T): { readonly value: T } | undefined {
  try {
    return { value: runInNewContext('work()', { work }, { timeout: ms }) as T };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return undefined;
    throw error;
  }
}
