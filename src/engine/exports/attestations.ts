/** What is said about an image (provenance, SBOM), and where it is known from. */
import type { ProvenanceInput, ResolvedStep } from '../../attest/provenance.js';
import { PROVENANCE_TYPE, provenance } from '../../attest/provenance.js';
import { SBOM_TYPE, sbom } from '../../attest/sbom.js';
import { imageStatement } from '../../attest/statement.js';
import type { DefinitionKey } from '../../keys/digest.js';
import { formatPlatform, hostPlatform } from '../../oci/platform.js';
import { commitOf } from '../../plan/remote.js';
import { findByDefinition } from '../../store/entries/entries.js';
import { layerStack } from '../../store/layers/layer-stack.js';
import type { Store } from '../../store/store.js';
import { VERSION } from '../../util/version.js';
import type { PlatformResult } from '../build-dockerfile.js';
import type { Attestation, ExportItem } from './export-image.js';

/** What is to be said. */
export interface AttestPlan {
  readonly provenance: 'min' | 'max' | undefined;
  readonly sbom: boolean;
}

/** Facts of the command line that a provenance mentions. */
export interface BuildFacts {
  readonly names: readonly string[];
  readonly dockerfile: ProvenanceInput['dockerfile'];
  readonly lockFile?: ProvenanceInput['lockFile'];
  readonly contextFrom?: ProvenanceInput['contextFrom'];
  readonly fetchedContexts?: readonly string[];
  readonly contexts?: Readonly<Record<string, string>>;
  readonly target: string | undefined;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly started: Date;
  /** SOURCE_DATE_EPOCH: then nothing says when the build was. */
  readonly epoch: number | undefined;
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
      content: typeof content === 'string' ? commitOf(content) : undefined,
    };
  };
}

/** How a platform was built, as a predicate. */
export function getProvenance(
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
    namedFrom: built.namedFrom,
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
  const { image, elsewhere } = built.result;
  if (plan.provenance === undefined && !plan.sbom) return { image, elsewhere };
  const mode = plan.provenance;
  const { names, epoch } = facts;
  const now = new Date();
  return {
    image,
    elsewhere,
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
        say(PROVENANCE_TYPE, getProvenance(mode, store, built, facts, now));
      }
      return said;
    },
  };
}
