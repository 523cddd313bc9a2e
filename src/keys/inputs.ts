/**
 * Everything that goes into a step's key, by name. One record that key computation, `cache show`
 * and `why` read, so that `why` explains exactly what was hashed.
 */
import type { CopyStep, FetchStep, RunStep, SquashStep, Step, WorkdirStep } from '../plan/step.js';
import type { Json } from '../util/canonical-json.js';
import { canonicalJson, sha256 } from '../util/canonical-json.js';
import type { ContentKey, DefinitionKey, OperationDigest, TreeDigest } from './digest.js';

/**
 * Counts up whenever the meaning of a key changes (an encoding, or what a step of that kind does with
 * the same inputs), so that an entry of an older wiac is never taken for one of this. Each kind by
 * itself: a RUN on the same files as before is still found, by its content key.
 */
export const KEY_VERSIONS: Readonly<Record<OperationInputs['kind'], number>> = {
  copy: 14,
  fetch: 5,
  run: 10,
  workdir: 5,
  squash: 3,
};

/** What a directory of a source has itself. */
export interface DirectoryInput {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A source of a COPY after wildcards were resolved, digested. */
export interface SelectionInput {
  /** Path in the source. */
  readonly path: string;
  /** A file keeps its name in a destination directory; of a directory the content is copied. */
  readonly kind: 'file' | 'directory';
  /** For a file: the tree of that one entry. */
  readonly tree: TreeDigest;
  /** --parents: directories between the destination and the file, '' for none. */
  readonly below: string;
  /** --parents: attributes of the directory itself, which its copy gets where it is not there yet. */
  readonly directory: DirectoryInput | undefined;
  /**
   * --parents: those of the directories above it in `below`, outermost first; of a file all of `below`. undefined when
   * there are none.
   */
  readonly ways?: readonly DirectoryInput[] | undefined;
  /**
   * Paths that are names of one file (hard links), each group and the list of them sorted; undefined
   * when there are none. They stay one file in the layer, which programs can tell.
   */
  readonly links: readonly (readonly string[])[] | undefined;
}

/** What a step does, its files and parents left aside. */
export interface OperationInputs {
  /** Version of the key format. */
  readonly version: number;
  readonly kind: 'copy' | 'run' | 'workdir' | 'fetch' | 'squash';
  /** `os/architecture`: programs behave differently on another one. */
  readonly platform: string;
  /** The operands after expansion, exactly those that change the result. */
  readonly operands: { readonly [name: string]: Json };
}

/** The full record of a step. */
export interface StepInputs extends OperationInputs {
  /** The instruction as people know it; not part of any key. */
  readonly text: string;
  /** COPY: what it selects from its source, in the order of the sources. */
  readonly files: readonly SelectionInput[];
  /** Keys of the steps below and beside it, the parent first. */
  readonly parents: readonly DefinitionKey[];
}

function copyOperands(step: CopyStep): OperationInputs['operands'] {
  return {
    // Sources count through what they select; where from counts as ownership and parents.
    fromStep: step.from !== undefined,
    unpack: step.unpack,
    destination: step.destination,
    chown: step.chown ?? null,
    chmod: step.chmod ?? null,
    link: step.link,
    parents: step.parents,
    inline: step.inline.map(({ name, content }) => ({ name, content })),
    sources: step.sources,
    ...(step.literal ? { literal: true } : {}),
    exclude: step.exclude,
  };
}

function runOperands(step: RunStep): OperationInputs['operands'] {
  return {
    argv: step.argv,
    script: step.script ?? null,
    // Sorted, as a program gets them: the order in which variables were declared can't be seen.
    env: Object.fromEntries(step.env),
    workdir: step.workdir,
    user: step.user,
    network: step.network,
    security: step.security,
    mounts: step.mounts as unknown as Json,
    resources: step.resources as unknown as Json,
  };
}

function workdirOperands(step: WorkdirStep): OperationInputs['operands'] {
  return { path: step.path, user: step.user };
}

/** Steps that have a key of their own; sources and meta steps make no layer. */
export type KeyedStep = CopyStep | FetchStep | RunStep | WorkdirStep | SquashStep;

/** Does the step make a layer, and so have a key? */
export function isKeyed(step: Step): step is KeyedStep {
  return step.kind !== 'source' && step.kind !== 'meta';
}

/** The part of a selection that goes into keys and records. */
export function selectionInput(selection: SelectionInput): SelectionInput {
  const { path, kind, tree, directory, ways, below, links } = selection;
  return { path, kind, tree, directory, ways, below, links };
}

function getOperands(step: KeyedStep, remote: string | undefined): OperationInputs['operands'] {
  switch (step.kind) {
    case 'copy':
      return copyOperands(step);
    case 'run':
      return runOperands(step);
    case 'workdir':
      return workdirOperands(step);
    case 'squash':
      return {};
    case 'fetch':
      return { source: step.source as unknown as Json, content: remote ?? null };
  }
}

/**
 * The part of a step's inputs that neither files nor parents decide.
 * @param remote for a FetchStep: what its source is now, see build/fetch.ts
 */
export function operationInputs(step: KeyedStep, remote?: string): OperationInputs {
  const { kind, platform } = step;
  return { version: KEY_VERSIONS[kind], kind, platform, operands: getOperands(step, remote) };
}

/** "The same instruction": what the former layers of a step are looked up by. */
export function operationDigest({
  version,
  kind,
  platform,
  operands,
}: OperationInputs): OperationDigest {
  return sha256(canonicalJson({ version, kind, platform, operands })) as OperationDigest;
}

function fileInputs(files: readonly SelectionInput[]): Json {
  // Where a file lay in its source does not matter, its name and content do.
  return files.map(({ kind, tree, directory, ways, below, links }) => ({
    kind,
    tree,
    directory: directory && { ...directory },
    ways: ways?.map((way) => ({ ...way })),
    below,
    links,
  }));
}

/** The key of a base image: the digest of its manifest covers config and layers. */
export function sourceKey(manifestDigest: string): DefinitionKey {
  return sha256(canonicalJson({ image: manifestDigest })) as DefinitionKey;
}

/** What the step is asked to do: operands, files, and the keys of its parents. */
export function definitionKey(
  operation: OperationDigest,
  files: readonly SelectionInput[],
  parents: readonly DefinitionKey[],
): DefinitionKey {
  const inputs = { operation, files: fileInputs(files), parents: [...parents] };
  return sha256(canonicalJson(inputs)) as DefinitionKey;
}

/**
 * The same with what the step really reads from its parents in the place of their keys, so that a
 * parent that ran again and made the same files changes nothing (early cut-off).
 * @param reads digests of the layers below for RUN; what COPY and WORKDIR find at their destination
 */
export function contentKey(
  operation: OperationDigest,
  files: readonly SelectionInput[],
  reads: Json,
): ContentKey {
  return sha256(canonicalJson({ operation, files: fileInputs(files), reads })) as ContentKey;
}
