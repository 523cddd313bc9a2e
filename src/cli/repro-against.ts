/** `wiac repro --against` */
import { rebuildImage } from '../engine/repro/rebuild.js';
import { plainProgress } from '../ui/plain.js';
import { imageReportJson, imageReportText } from '../ui/repro-image.js';
import { UsageError } from '../util/errors.js';
import { abortOnSignal } from './abort-on-signal.js';
import { buildRequest } from './build-command.js';
import type { SetExitCode } from './declare/options.js';
import type { ReproOptions } from './repro-command.js';
import { NOT_REPRODUCIBLE } from './repro-command.js';
import { withStoreAsRoot } from './with-store.js';

/** @throws UsageError for what the provenance says */
function refuseRecorded(steps: readonly string[], options: ReproOptions): void {
  const given = [
    [steps.length > 0, 'steps'],
    [options.file !== undefined, '--file'],
    [options.target !== undefined, '--target'],
    [options.buildArg.length > 0, '--build-arg'],
  ] as const;
  for (const [isGiven, what] of given)
    if (isGiven)
      throw new UsageError(`--against takes no ${what}: the provenance of the image says it`, {
        hint: 'wiac repro --against IMAGE [PATH]',
      });
}

/** Builds an image anew and prints which of its layers come out the same. */
export async function againstCommand(
  image: string,
  path: string | undefined,
  steps: readonly string[],
  options: ReproOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  refuseRecorded(steps, options);
  const { platform, ...others } = options;
  await withStoreAsRoot(setExitCode, async (store) => {
    const { signal, dispose } = abortOnSignal();
    try {
      const write = (text: string) => void process.stderr.write(text);
      const report = await rebuildImage(store, {
        ...(await buildRequest(path ?? '.', others, signal)),
        ...(options.quiet ? {} : { onEvent: plainProgress(write) }),
        image,
        platform: options.platform,
        context: path,
        times: options.mtime,
        explain: false,
      });
      process.stdout.write(options.json ? imageReportJson(report) : imageReportText(report));
      if (!report.reproducible) setExitCode(NOT_REPRODUCIBLE);
    } finally {
      dispose();
    }
  });
}
