/** Small files that say what a build made: --iidfile, --metadata-file. */
import { pipeline } from 'node:stream/promises';
import { getMessage } from '../oci/image-error.js';
import { writeWhole } from '../oci/write-file.js';
import { UsageError } from '../util/errors.js';

/** @throws UsageError that names the option when the file can't be written */
export async function writeResultFile(option: string, path: string, text: string): Promise<void> {
  try {
    await writeWhole(path, (file) => pipeline([text], file));
  } catch (cause) {
    throw new UsageError(`${option} ${path}: it cannot be written: ${getMessage(cause)}`, {
      cause,
      hint: 'give a file in a directory that is there',
    });
  }
}
