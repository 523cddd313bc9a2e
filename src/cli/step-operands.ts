/** `PATH [STEP...]`: commands that look at the files of finished steps. */
import type { StepFiles, WantedStep } from '../engine/step-files.js';
import { findStepFiles } from '../engine/step-files.js';
import { stepNames } from '../plan/step-names.js';
import type { Store } from '../store/store.js';
import { abortOnSignal } from './abort-on-signal.js';
import { combineOptions } from './combine-options.js';
import type { SetExitCode } from './declare/options.js';
import type { DockerfileOptions } from './dockerfile-input.js';
import { dockerfileRequest } from './dockerfile-input.js';
import { selects } from './select-step.js';
import { refuseRenewal, withStoreAsRoot } from './with-store.js';

/** As the command line names it. */
function wantedStep(name: string): WantedStep {
  return {
    name,
    choose: ({ steps }) => {
      const names = stepNames(steps);
      return steps.filter((step) => selects(name, step, names.get(step.id) ?? ''));
    },
  };
}

/** What is written as a path or a URL: no name of an image looks so. */
export function isWrittenAsContext(text: string): boolean {
  return /^(?:\.{0,2}\/|\.{1,2}$|https?:\/\/|-$)/.test(text);
}

/**
 * Looks steps up and does something with their files, which are in use until it is done.
 * @param names undefined: the last step
 * @throws NotFoundError for what is not in the cache
 */
export function withStepFiles(
  path: string,
  names: readonly (string | undefined)[],
  options: DockerfileOptions,
  setExitCode: SetExitCode,
  action: (store: Store, files: readonly StepFiles[]) => Promise<void>,
): Promise<void> {
  return withStoreAsRoot(setExitCode, async (store) => {
    refuseRenewal(options);
    const { signal, dispose } = abortOnSignal();
    let found: readonly StepFiles[];
    try {
      const request = await dockerfileRequest(path, combineOptions(options), signal);
      found = await findStepFiles(
        store,
        request,
        names.map((name) => (name === undefined ? undefined : wantedStep(name))),
      );
    } finally {
      dispose();
    }
    await action(store, found);
  });
}
