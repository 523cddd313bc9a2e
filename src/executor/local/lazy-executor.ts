/** The executor of this machine, loaded by the first step that is carried out: a cached build does without. */
import type { Executor } from '../executor.js';
import type { CopySources } from './copy-sources.js';
import type { GivenMachine } from './local-machine.js';

/** As localExecutor. */
export function lazyExecutor(machine: GivenMachine): Executor<CopySources> {
  let loaded: Promise<Executor<CopySources>> | undefined;
  const load = async () => {
    const { localExecutor } = await import('./local-executor.js');
    return localExecutor(machine);
  };
  return {
    sharesStore: true,
    expect: machine.sys.start,
    close: async () => (await loaded)?.close?.(),
    execute: async (...request) => {
      loaded ??= load();
      return (await loaded).execute(...request);
    },
  };
}
