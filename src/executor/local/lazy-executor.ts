/** The executor of this machine, loaded by the first step that is carried out: a cached build does without. */
import type { Executor } from '../executor.js';
import type { CopySources } from './copy-sources.js';
import type { GivenMachine } from './local-machine.js';

/** As localExecutor. */
export function lazyExecutor(machine: GivenMachine): Executor<CopySources> {
  let loaded: Promise<Executor<CopySources>> | undefined;
  /** How many RUN steps are to follow, as far as is known. */
  let expected = 0;
  const load = async () => {
    const { localExecutor } = await import('./local-executor.js');
    return localExecutor(machine, () => expected > 0);
  };
  return {
    sharesStore: true,
    expect: (isCertain) => {
      expected += 1;
      if (isCertain) machine.sys.start();
    },
    close: async () => (await loaded)?.close?.(),
    execute: async (...request) => {
      if (request[0].kind === 'run') expected -= 1;
      loaded ??= load();
      return (await loaded).execute(...request);
    },
  };
}
