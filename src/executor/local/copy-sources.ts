/** What a COPY or ADD takes. */
import type { Stack } from '../../fs/layer/stack.js';
import { stackSource } from '../../fs/layer/stack-source.js';
import { findArchives } from '../../fs/layer/unpack-selection.js';
import { withSource } from '../../fs/scan/file-source.js';
import type { ScanStore } from '../../fs/scan/scan.js';
import type { Selection } from '../../fs/select/select.js';
import { selectFiles } from '../../fs/select/select.js';
import type { CopyStep } from '../../plan/step.js';

/** What a COPY takes. */
export interface CopySources {
  readonly selections: readonly Selection[];
  /** Those of them that ADD unpacks. */
  readonly archives: readonly Selection[];
}

/** Of a step that copies nothing. */
export const NO_SOURCES: CopySources = { selections: [], archives: [] };

/** The selections of a step, and which of them are archives. */
export async function withArchives(
  { unpack }: CopyStep,
  selections: readonly Selection[],
): Promise<CopySources> {
  return { selections, archives: unpack === 'never' ? [] : await findArchives(selections) };
}

/** What a step takes of another one. @param stack the layers of that, topmost first */
export async function stageSources(
  step: CopyStep,
  stack: Stack,
  scanStore: ScanStore,
): Promise<CopySources> {
  const selections = await withSource(stackSource(stack, 'the stage'), (source) =>
    selectFiles(source, scanStore, step.sources, step.location, step),
  );
  // `ADD --unpack` of a URL: the file is in a step of its own.
  return withArchives(step, selections);
}
