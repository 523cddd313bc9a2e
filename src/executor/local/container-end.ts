/** What wiac-sys tells of a container that has ended (TELL_ENDED of native/message.h). */
import { payloadReader } from '../../native/payload.js';
import type { Reply } from '../../native/wiac-sys.js';

export interface ContainerEnd {
  readonly code: number;
  /** What went wrong: its setup, early or when all of it was known, the start of its program, its output, the end of all
   * writing to its files. Undefined: the program ended. */
  readonly kind: string | undefined;
  readonly message: string;
  /** What was read of the directory that it wrote to. */
  readonly survey: Buffer | undefined;
}

export function readEnd({ payload }: Reply): ContainerEnd {
  const reader = payloadReader(payload);
  const code = reader.number();
  const [, kind, message = ''] = /^(\w+): (.*)$/s.exec(reader.text().toString()) ?? [];
  return { code, kind, message, survey: reader.isEmpty() ? undefined : reader.rest() };
}
