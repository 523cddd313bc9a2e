/** `wiac export` */
import { parseOutput, STDOUT, usesStdout } from '../engine/exports/output-spec.js';
import { writeTrees } from '../engine/exports/write-trees.js';
import { UsageError } from '../util/errors.js';
import { interruptibly } from './abort-on-signal.js';
import { refuseTerminal } from './build-outputs.js';
import type { SetExitCode } from './declare/options.js';
import type { DockerfileOptions } from './dockerfile-input.js';
import { resultOutput } from './result-output.js';
import { withStepFiles } from './step-operands.js';

/** Options of `wiac export`, as commander gives them. */
export interface ExportOptions extends DockerfileOptions {
  readonly output: string;
}

/** A directory, an archive, or what -o of `wiac build` takes for these two. @throws UsageError */
function parseDestination(text: string) {
  const isArchive = text !== STDOUT && !text.includes('=') && text.endsWith('.tar');
  const output = parseOutput(isArchive ? `type=tar,dest=${text}` : text);
  if (output.type === 'local' || output.type === 'tar') return { ...output, type: output.type };
  throw new UsageError(`--output ${text}: a step is exported as a directory or an archive`, {
    hint: 'give DIR, FILE.tar, - or type=local|tar,dest=; wiac build -o writes images',
  });
}

/**
 * Writes the files of a finished step into a directory or an archive.
 * @param wanted the step; undefined: the last one
 * @throws NotFoundError when the step is not in the cache; UsageError, ImageError, NoSpaceError
 */
export async function exportCommand(
  path: string,
  wanted: string | undefined,
  options: ExportOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  const output = parseDestination(options.output);
  if (usesStdout(output)) refuseTerminal();
  await withStepFiles(path, [wanted], options, setExitCode, async (store, [files]) => {
    if (!files) return;
    const { layers, plan } = files;
    const items = [{ image: { layers, platform: plan.platform } }];
    await interruptibly((signal) =>
      writeTrees({ store, items, epoch: undefined, stdout: resultOutput(), signal }, output),
    );
  });
}
