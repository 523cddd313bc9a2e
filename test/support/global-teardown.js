// Once for a run, after all tests: the machine is as it was.
import { machineState } from './machine-state.js';

export default function teardown() {
  const { machineBefore: before } = globalThis;
  const changed = machineState().flatMap((line, i) =>
    line === before[i] ? [] : [`${before[i]}, and now ${line}`],
  );
  if (changed.length > 0) throw new Error(`the tests changed this machine:\n${changed.join('\n')}`);
}
