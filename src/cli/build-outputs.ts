/** --output, --push, --metadata-file, --annotation: read before the build, carried out after it. */

import type { Exported } from '../engine/exports/export-image.js';
import type { Output } from '../engine/exports/output-spec.js';
import { checkImageOutput, parseOutput, usesStdout } from '../engine/exports/output-spec.js';
import { describeImage, writeOutput } from '../engine/exports/write-output.js';
import type { BuildResult } from '../engine/run-build.js';
import type { Annotation } from '../oci/annotations.js';
import { parseAnnotation } from '../oci/annotations.js';
import type { RegistryOptions } from '../oci/registry/registry.js';
import type { Plan } from '../plan/plan.js';
import { isImageName } from '../store/images/store-images.js';
import type { Store } from '../store/store.js';
import { UsageError } from '../util/errors.js';
import type { AttestOptions, AttestPlan, BuildFacts } from './attestations.js';
import { attestedItem, planAttestations, provenanceOf } from './attestations.js';
import type { MetadataWishes } from './build-metadata.js';
import { buildMetadata, metadataWishes } from './build-metadata.js';
import type { LintEvent } from './lint.js';
import { writeResultFile } from './result-file.js';

/** Options of `wiac build` that say where the result goes, as commander gives them. */
export interface OutputOptions extends AttestOptions {
  readonly output: readonly string[];
  readonly push: boolean;
  readonly tag: readonly string[];
  readonly annotation: readonly string[];
  readonly metadataFile?: string;
}

/** The same, understood. */
export interface OutputPlan {
  readonly outputs: readonly Output[];
  /** Names that the store keeps the result under. */
  readonly names: readonly string[];
  readonly annotations: readonly Annotation[];
  readonly metadata: ({ readonly file: string } & MetadataWishes) | undefined;
  /** SOURCE_DATE_EPOCH, seconds since the epoch. */
  readonly epoch: number | undefined;
  readonly attestations: AttestPlan;
  /** The tar archive of an output takes standard output: nothing else may be printed there. */
  readonly stdoutTaken: boolean;
}

/** One platform's build. */
export interface PlatformResult {
  readonly plan: Plan;
  readonly result: BuildResult;
  /** What the linter says; the first platform has it. */
  readonly lint?: LintEvent | undefined;
}

/** --push is a registry output, or makes image outputs push. */
function withPush(outputs: readonly Output[], push: boolean): Output[] {
  if (!push) return [...outputs];
  const pushed = outputs.map((output) =>
    output.type === 'image' ? { ...output, push: true } : output,
  );
  return pushed.some(({ type }) => type === 'image')
    ? pushed
    : [...pushed, parseOutput('type=registry')];
}

function checkOutputs(outputs: readonly Output[], options: OutputOptions): void {
  const toStdout = outputs.filter(usesStdout);
  if (toStdout.length > 1)
    throw new UsageError('only one output can go to standard output', {
      hint: 'give the others a dest=FILE',
    });
  if (toStdout.length > 0 && process.stdout.isTTY)
    throw new UsageError('an archive is not written to a terminal', {
      hint: 'redirect standard output, or give dest=FILE',
    });
  for (const output of outputs) {
    if (output.type !== 'image') continue;
    const names = output.names ?? options.tag;
    if (output.push && names.length === 0)
      throw new UsageError('a push needs a name', {
        hint: 'give -t NAME, or --output type=registry,name=NAME',
      });
    for (const name of names)
      if (!isImageName(name)) throw new UsageError(`--output: ${name} is not a name`);
  }
  const images = outputs.some((output) => 'form' in output);
  if (options.annotation.length > 0 && !images)
    throw new UsageError('--annotation needs an output that is an image', {
      hint: 'add --push, or --output type=oci,dest=FILE',
    });
}

function checkAttestations({ provenance, sbom }: AttestPlan, outputs: readonly Output[]): void {
  if (provenance === undefined && !sbom) return;
  const hint = 'add --push, or --output type=oci,dest=FILE';
  if (!outputs.some(({ type }) => type === 'oci' || type === 'image'))
    throw new UsageError('--provenance and --sbom need an output that is an image', { hint });
  if (outputs.some(({ type }) => type === 'docker'))
    throw new UsageError('an archive for docker has no attestations', { hint });
}

/**
 * Reads the options.
 * @param epoch SOURCE_DATE_EPOCH, in seconds since 1970
 * @throws UsageError, UnsupportedError
 */
export function planOutputs(options: OutputOptions, epoch: number | undefined): OutputPlan {
  const outputs = withPush(options.output.map(parseOutput), options.push);
  checkOutputs(outputs, options);
  const annotations = options.annotation.flatMap(parseAnnotation);
  for (const output of outputs) {
    if ('form' in output) checkImageOutput(output, annotations, epoch);
  }
  const named = outputs.flatMap((output) => (output.type === 'image' ? (output.names ?? []) : []));
  const attestations = planAttestations(options);
  checkAttestations(attestations, outputs);
  return {
    outputs,
    attestations,
    names: [...new Set([...options.tag, ...named])],
    annotations,
    epoch,
    metadata:
      options.metadataFile === undefined
        ? undefined
        : { file: options.metadataFile, ...metadataWishes(process.env) },
    stdoutTaken: outputs.some(usesStdout),
  };
}

/**
 * Carries the outputs out, one after the other.
 * @param registry how registries are reached
 * @param signal ends the work early; what is thrown then says nothing
 */
export async function writeOutputs(
  plan: OutputPlan,
  store: Store,
  results: readonly PlatformResult[],
  facts: Omit<BuildFacts, 'names' | 'epoch'>,
  registry: RegistryOptions,
  signal: AbortSignal,
): Promise<void> {
  const { outputs, names, annotations, metadata, epoch } = plan;
  const known = { ...facts, names, epoch };
  const items = results.map((built) => attestedItem(plan.attestations, store, built, known));
  const request = { store, items, names, annotations, epoch, registry, signal };
  let exported: Exported | undefined;
  for (const output of outputs) exported = (await writeOutput(request, output)) ?? exported;
  if (metadata === undefined) return;
  const isImage = names.length > 0 || outputs.length === 0;
  if (exported === undefined && isImage) exported = await describeImage(request);
  const { file, provenance, warnings } = metadata;
  const finished = new Date();
  const content = buildMetadata(results, names, exported, {
    ...(provenance && {
      provenance: (built) => provenanceOf(provenance, store, built, known, finished),
    }),
    warnings,
  });
  const text = JSON.stringify(content, null, 2);
  await writeResultFile('--metadata-file', file, `${text}\n`);
}
