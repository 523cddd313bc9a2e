/** --provenance, --sbom, --attest: the attestations of an image. */
import type { AttestPlan } from '../engine/exports/attestations.js';
import { attributeMap, parseAttributes, parseBoolean, refusing } from '../util/csv-attributes.js';
import { UnsupportedError, UsageError } from '../util/errors.js';

/** Options of `wiac build`, as commander gives them. */
export interface AttestOptions {
  readonly provenance?: string;
  readonly sbom?: string;
  readonly attest: readonly string[];
}

function parseFields(option: string, text: string): Map<string, string> {
  return attributeMap(parseAttributes(text, refusing(option, text)), 'true');
}

/** `true`, `false`, or parameters. @returns undefined for "no" */
function getParameters(option: string, text: string): Map<string, string> | undefined {
  const wanted = text === '' || parseBoolean(text);
  if (wanted !== undefined) return wanted ? new Map() : undefined;
  const fields = parseFields(option, text);
  return parseBoolean(fields.get('disabled') ?? 'false') ? undefined : fields;
}

function provenanceMode(option: string, text: string): AttestPlan['provenance'] {
  const fields = getParameters(option, text);
  if (!fields) return undefined;
  const { mode = 'min', version = 'v1', ...others } = Object.fromEntries(fields);
  const unknown = Object.keys(others).find((key) => !['type', 'disabled'].includes(key));
  if (unknown !== undefined || (mode !== 'min' && mode !== 'max'))
    throw new UsageError(`${option} ${text}: not understood`, {
      hint: 'write true, false, mode=min or mode=max',
    });
  if (version !== 'v1')
    throw new UnsupportedError(`${option}: version=${version} is not supported`, undefined, {
      hint: 'wiac writes SLSA provenance v1',
    });
  return mode;
}

function wantsSbom(option: string, text: string): boolean {
  const fields = getParameters(option, text);
  if (fields?.has('generator'))
    throw new UnsupportedError(`${option}: other generators are not supported`, undefined, {
      hint: 'leave generator= out: wiac lists the packages of dpkg and apk',
    });
  return fields !== undefined;
}

/** Reads the options; without any nothing is said. @throws UsageError, UnsupportedError */
export function planAttestations(options: AttestOptions): AttestPlan {
  let mode: AttestPlan['provenance'];
  let list = false;
  for (const text of options.attest) {
    const type = parseFields('--attest', text).get('type');
    if (type === 'provenance') mode = provenanceMode('--attest', text);
    else if (type === 'sbom') list = wantsSbom('--attest', text);
    else
      throw new UsageError(`--attest ${text}: there is no attestation of that type`, {
        hint: 'write type=provenance or type=sbom',
      });
  }
  if (options.provenance !== undefined) mode = provenanceMode('--provenance', options.provenance);
  if (options.sbom !== undefined) list = wantsSbom('--sbom', options.sbom);
  return { provenance: mode, sbom: list };
}
