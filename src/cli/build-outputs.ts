/** --output, --push, --metadata-file, --annotation: read before the build, carried out after it. */
import type { DockerfileBuild, DockerfileResult } from '../engine/build-dockerfile.js';
import type { EventSink } from '../engine/events.js';
import type { AttestPlan } from '../engine/exports/attestations.js';
import { getProvenance } from '../engine/exports/attestations.js';
import { describeResult, exportResult } from '../engine/exports/export-result.js';
import type { Output } from '../engine/exports/output-spec.js';
import { checkImageOutput, parseOutput, usesStdout } from '../engine/exports/output-spec.js';
import { registryDestination } from '../engine/exports/registry-destination.js';
import type { Annotation } from '../oci/annotations.js';
import { parseAnnotation } from '../oci/annotations.js';
import type { RegistryOptions } from '../oci/registry/registry.js';
import { isImageName } from '../store/images/store-images.js';
import { settle } from '../store/recovery/durability.js';
import type { Store } from '../store/store.js';
import { UsageError } from '../util/errors.js';
import { interruptibly } from './abort-on-signal.js';
import type { AttestOptions } from './attest-options.js';
import { planAttestations } from './attest-options.js';
import type { BuildOptions } from './build-command.js';
import type { MetadataWishes } from './build-metadata.js';
import { buildMetadata, metadataWishes } from './build-metadata.js';
import { writeResultFile } from './result-file.js';
import { resultOutput } from './result-output.js';

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
  readonly attestations: AttestPlan;
  /** The tar archive of an output takes standard output: nothing else may be printed there. */
  readonly stdoutTaken: boolean;
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

/** @throws UsageError when standard output is a terminal */
export function refuseTerminal(): void {
  if (!process.stdout.isTTY) return;
  throw new UsageError('an archive is not written to a terminal', {
    hint: 'redirect standard output, or give dest=FILE',
  });
}

function checkOutputs(outputs: readonly Output[], options: OutputOptions): void {
  const toStdout = outputs.filter(usesStdout);
  if (toStdout.length > 1)
    throw new UsageError('only one output can go to standard output', {
      hint: 'give the others a dest=FILE',
    });
  if (toStdout.length > 0) refuseTerminal();
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

/** Reads the options. @throws UsageError, UnsupportedError */
export function planOutputs(options: OutputOptions): OutputPlan {
  const outputs = withPush(options.output.map(parseOutput), options.push);
  checkOutputs(outputs, options);
  const annotations = options.annotation.flatMap(parseAnnotation);
  const named = outputs.flatMap((output) => (output.type === 'image' ? (output.names ?? []) : []));
  const attestations = planAttestations(options);
  checkAttestations(attestations, outputs);
  return {
    outputs,
    attestations,
    names: [...new Set([...options.tag, ...named])],
    annotations,
    metadata:
      options.metadataFile === undefined
        ? undefined
        : { file: options.metadataFile, ...metadataWishes(process.env) },
    stdoutTaken: outputs.some(usesStdout),
  };
}

/**
 * Where the result goes, if nothing of it is wanted here.
 * @param registry how registries are reached
 */
export function getDestination(
  { outputs, attestations }: OutputPlan,
  {
    tag,
    iidfile,
    timestamp,
    rewriteTimestamp,
  }: Pick<BuildOptions, 'tag' | 'iidfile' | 'timestamp' | 'rewriteTimestamp'>,
  registry: RegistryOptions,
): DockerfileBuild['destination'] {
  // An id and a bill of materials are made from the files, other times from other archives.
  const needsFiles = iidfile !== undefined || attestations.sbom;
  if (needsFiles || timestamp !== undefined || rewriteTimestamp) return undefined;
  return registryDestination(outputs, tag, registry);
}

/** @param epoch SOURCE_DATE_EPOCH, seconds since 1970 @throws UsageError for an output that needs it */
export function checkTimes({ outputs, annotations }: OutputPlan, epoch: number | undefined): void {
  for (const output of outputs) if ('form' in output) checkImageOutput(output, annotations, epoch);
}

/** What the outputs have come to. */
export interface WrittenOutputs {
  /** What the image is called where it was pushed to, if it was. */
  readonly pushed: string | undefined;
  /** The content of --metadata-file, if there is to be one. */
  readonly metadata: Record<string, unknown> | undefined;
}

/**
 * Carries the outputs out, one after the other; a signal ends it.
 * @param registry how registries are reached
 * @param onEvent receives transfers
 */
export function carryOutOutputs(
  plan: OutputPlan,
  store: Store,
  result: DockerfileResult,
  registry: RegistryOptions,
  onEvent: EventSink,
): Promise<WrittenOutputs> {
  return interruptibly(async (signal) => {
    const { names, metadata } = plan;
    const stdout = plan.stdoutTaken ? resultOutput() : undefined;
    const wanted = { ...plan, registry, stdout, signal, onEvent };
    const exported = await exportResult(store, result, wanted);
    const [name] = names;
    const pushed = exported && name && `${name.replace(/@.*/, '')}@${exported.root.digest}`;
    if (metadata === undefined) return { pushed, metadata };
    const isImage = names.length > 0 || plan.outputs.length === 0;
    const { provenance, warnings } = metadata;
    const known = { ...result.facts, names };
    const finished = new Date();
    const content = buildMetadata(
      result.platforms,
      names,
      exported ?? (isImage ? await describeResult(store, result, wanted) : undefined),
      {
        ...(provenance && {
          provenance: (built) => getProvenance(provenance, store, built, known, finished),
        }),
        warnings,
      },
    );
    return { pushed, metadata: content };
  });
}

/** Writes --metadata-file, once nothing that it tells of can get lost. @throws UsageError */
export async function writeMetadata(store: Store, file: string, content: unknown): Promise<void> {
  await writeResultFile('--metadata-file', file, `${JSON.stringify(content, null, 2)}\n`);
  await settle(store);
}

/**
 * The same as carryOutOutputs, and writes the file of --metadata-file.
 * @returns what the image is called where it was pushed to, if it was
 */
export async function writeOutputs(
  ...args: Parameters<typeof carryOutOutputs>
): Promise<string | undefined> {
  const [plan, store] = args;
  const { pushed, metadata } = await carryOutOutputs(...args);
  if (plan.metadata) await writeMetadata(store, plan.metadata.file, metadata);
  return pushed;
}
