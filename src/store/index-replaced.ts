/** The error of a command whose index another process has rebuilt. */
import { StoreError } from '../util/errors.js';

/** The index was damaged, and another process has made it again since this one opened it. */
export class IndexReplacedError extends StoreError {
  constructor() {
    super('another process rebuilt the index of the store while this one used it', {
      hint: 'run the command again: nothing that was built is lost',
    });
  }
}
