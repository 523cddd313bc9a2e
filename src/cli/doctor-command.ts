/** `wiac doctor` */
import { judge } from '../doctor/judge-machine.js';
import { requireEntry } from '../executor/local/privileges.js';
import { formatFindings } from '../ui/doctor-text.js';
import type { SetExitCode } from './declare/options.js';
import { machineFacts } from './machine-facts.js';

/** Says what this machine offers and lacks; exit code 1 when something is missing. @throws UsageError */
export async function doctorCommand(
  { json }: { readonly json: boolean },
  setExitCode: SetExitCode,
): Promise<void> {
  requireEntry();
  const findings = judge(await machineFacts(process.env));
  process.stdout.write(json ? `${JSON.stringify(findings, null, 2)}\n` : formatFindings(findings));
  if (findings.some(({ state }) => state === 'missing')) setExitCode(1);
}
