/** Which steps may be carried out by a worker. Coordinators ask before they send one, workers before they begin. */
import type { KeyedStep } from '../../keys/inputs.js';
import type { RunStep } from '../../plan/step.js';

/** What of a RUN only the coordinator's machine has, or only its user may allow. */
function obstacleOfRun(
  { mounts, security, network, resources }: RunStep,
  seals: boolean,
): string | undefined {
  if (security !== 'sandbox') return '--security=insecure';
  if (network === 'host') return '--network=host';
  if (resources.volumes !== undefined) return 'a directory of the machine (--volume)';
  if (resources.capabilities !== undefined) return 'capabilities of its own';
  const mount = mounts.find(({ type }) => type === 'ssh' || (type === 'secret' && !seals));
  return mount && `--mount=type=${mount.type}`;
}

/**
 * @param seals secrets can be sealed for workers
 * @returns what keeps a step on its coordinator's machine; undefined: nothing does
 */
export function obstacle(step: KeyedStep, seals: boolean): string | undefined {
  switch (step.kind) {
    case 'run':
      return obstacleOfRun(step, seals);
    case 'workdir':
      return undefined;
    case 'copy':
      return step.from === undefined ? 'files of the build context' : undefined;
    default:
      return step.kind;
  }
}
