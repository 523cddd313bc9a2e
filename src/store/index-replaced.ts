/** What a command is told whose index another process has made again. */
import { StoreError } from '../util/errors.js';

/** The index was damaged, and another process has made it again since this one opened it. */
export class IndexReplacedError extends StoreError {
  constructor() {
    super('the index of the store was made again while it was in use', {
      hint: 'run the command again: nothing that was built is lost',
    });
  }
}
