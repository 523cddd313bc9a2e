/** --provenance, --sbom, --attest: what is to be said about an image, and where it is known from. */

import type { ResolvedStep } from '../attest/provenance.js';
import { PROVENANCE_TYPE, provenance } from '../attest/provenance.js';
import { SBOM_TYPE, sbom } from '../attest/sbom.js';
import { imageStatement } from '../attest/statement.js';
import { splitCsv } from '../dockerfile/csv.js';
import type { Attestation, ExportItem } from '../engine/exports/export-image.js';
import type { DefinitionKey } from '../keys/digest.js';
import { formatPlatform, hostPlatform } from '../oci/platform.js';
import { findByDefinition } from '../store/entries/entries.js';
import { layerStack } from '../store/layers/layer-stack.js';
import type { Store } from '../store/store.js';
import { UnsupportedError, UsageError } from '../util/errors.js';
import { VERSION } from '../util/version.js';
import type { PlatformResult } from './build-outputs.js';

/** Options of `wiac build`, as commander gives them. */
export interface AttestOptions {
  readonly provenance?: string;
  readonly sbom?: string;
  readonly attest: readonly string[];
}

/** What is to be said. */
export interface AttestPlan {
  readonly provenance: 'min' | 'max' | undefined;
  readonly sbom: boolean;
}

/** Facts of the command line that a provenance mentions. */
export interface BuildFacts {
  readonly names: readonly string[];
  readonly dockerfile: { readonly path: string; readonly digest: string };
  readonly target: string | undefined;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly started: Date;
  /** SOURCE_DATE_EPOCH: then nothing says when the build was. */
  readonly epoch: number | undefined;
}

function parseFields(option: string, text: string): Map<string, string> {
  const fields = splitCsv(text);
  if (!fields) throw new UsageError(`${option} ${text}: a quote is misplaced`);
  return new Map(
    fields.map((field): [string, string] => {
      const at = field.indexOf('=');
      return at === -1 ? [field, 'true'] : [field.slice(0, at), field.slice(at + 1)];
    }),
  );
}

/** `true`, `false`, or parameters. @returns undefined for "no" */
function parametersOf(option: string, text: string): Map<string, string> | undefined {
  if (['true', '1', ''].includes(text)) return new Map();
  if (['false', '0'].includes(text)) return undefined;
  const fields = parseFields(option, text);
  return fields.get('disabled') === 'true' ? undefined : fields;
}

function provenanceMode(option: string, text: string): AttestPlan['provenance'] {
  const fields = parametersOf(option, text);
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
  const fields = parametersOf(option, text);
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

/** What the store recorded of a step. */
function resolvedStep(store: Store, { result }: PlatformResult) {
  return (id: Parameters<typeof result.states.get>[0]): ResolvedStep => {
    const key = result.states.get(id)?.key;
    const record = key === undefined ? undefined : findByDefinition(store, key as DefinitionKey);
    const content = record?.inputs.operands.content;
    return {
      key,
      files: record?.inputs.kind === 'copy' ? record.inputs.files : [],
      content: typeof content === 'string' ? content : undefined,
    };
  };
}

/** How a platform was built, as a predicate. */
export function provenanceOf(
  mode: 'min' | 'max',
  store: Store,
  built: PlatformResult,
  facts: BuildFacts,
  finished: Date,
) {
  const { started, epoch } = facts;
  return provenance({
    ...facts,
    plan: built.plan,
    mode,
    resolved: resolvedStep(store, built),
    builderPlatform: formatPlatform(hostPlatform()),
    version: VERSION,
    times: epoch === undefined ? { started, finished } : undefined,
  });
}

/** An image, with what is to be said about it. */
export function attestedItem(
  plan: AttestPlan,
  store: Store,
  built: PlatformResult,
  facts: BuildFacts,
): ExportItem {
  const { image } = built.result;
  if (plan.provenance === undefined && !plan.sbom) return { image };
  const mode = plan.provenance;
  const { names, epoch } = facts;
  const now = new Date();
  return {
    image,
    attest: async (manifest) => {
      const said: Attestation[] = [];
      const say = (predicateType: string, predicate: unknown) => {
        const statement = imageStatement(manifest, names, predicateType, predicate);
        said.push({ predicateType, statement });
      };
      if (plan.sbom) {
        const stack = await layerStack(store, image.layers);
        const created = epoch === undefined ? now : new Date(epoch * 1000);
        say(SBOM_TYPE, sbom(stack, manifest, names[0] ?? 'image', created, VERSION));
      }
      if (mode !== undefined) {
        say(PROVENANCE_TYPE, provenanceOf(mode, store, built, facts, now));
      }
      return said;
    },
  };
}
