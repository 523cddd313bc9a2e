/**
 * The interface between a build and the executor that runs its steps. A step and its inputs are plain data
 * that can be sent to another process or machine; files travel as layers, by digest. What is not
 * data (output, cancellation, secrets) is behind `io`.
 */
import type { Readable } from 'node:stream';
import type { Destination } from '../fs/layer/destination.js';
import type { Owner } from '../fs/layer/users.js';
import type {
  ContentKey,
  DefinitionKey,
  LayerDigest,
  OperationDigest,
  TreeDigest,
} from '../keys/digest.js';
import type { KeyedStep, SelectionInput, StepInputs } from '../keys/inputs.js';
import type { Descriptor, OpenBlob } from '../oci/resolved-image.js';
import type { Credentials } from '../plan/git-url.js';
import type { AgentSource } from '../sources/agent-source.js';
import type { LayerId, LayerLinks } from '../store/records.js';
import type { Json } from '../util/canonical-json.js';
import type { GetSecret } from './get-secret.js';

/** A layer that a step stands on or reads. */
export interface InputLayer {
  /** Its name in the build's store. Only an executor that shares the store knows it. */
  readonly id: LayerId;
  /**
   * Digest of its archive without compression (image-spec, config.md, "diff_ids"): what an executor
   * with a store of its own asks for it by. Undefined for an executor that shares the store.
   */
  readonly diffId: string | undefined;
}

/** A layer as a blob of a place that other machines reach. */
export interface BlobLayer {
  /** See InputLayer. */
  readonly diffId: string;
  readonly descriptor: Descriptor;
  /** Digest of its files, where its maker has said it. */
  readonly digest: LayerDigest | undefined;
  /** Newest time of a file in it, seconds since the epoch. */
  readonly newest: number | undefined;
}

/** A step with its keys, for executors that look steps up by themselves. */
export interface KeyedRequest {
  readonly step: KeyedStep;
  readonly key: DefinitionKey;
  readonly operation: OperationDigest;
  readonly inputs: StepInputs;
  /** It is to be run although a cache may have it. */
  readonly skipsCache: boolean;
}

/** Where a COPY or WORKDIR writes, as the look-up found it in the layers below. */
export interface WritePlace {
  readonly destination: Destination;
  /** Undefined: files keep the owner that they have. */
  readonly owner: Owner | undefined;
}

/** A layer that the same COPY made before: files that did not change are linked from it. */
export interface FormerCopy {
  readonly layer: LayerId;
  /** What that layer was made from. */
  readonly selections: readonly SelectionInput[];
  /** The group of layers that share inodes; see LayerLinks. */
  readonly group: LayerId;
}

/** Everything that a step's result depends on besides the step itself. Plain data. */
export interface ExecutionInputs {
  /** The layers of the step's file system, bottom first. */
  readonly base: readonly InputLayer[];
  /** For each step that it reads files of: the layers of that, bottom first. */
  readonly reads: readonly (readonly InputLayer[])[];
  /** COPY and WORKDIR. */
  readonly place: WritePlace | undefined;
  /** COPY; undefined when there is none, and for executors that don't share the store. */
  readonly former: FormerCopy | undefined;
  /** ADD from elsewhere: the digest of the file, or the commit of the repository. */
  readonly identity: string | undefined;
}

/** When a shell is opened in a step's container. */
export type ShellMoment =
  | { readonly kind: 'before' }
  /** `message`: how the step ended. */
  | { readonly kind: 'failed'; readonly message: string };

/** A shell that can be opened. */
export interface ShellOffer {
  readonly moment: ShellMoment;
  /** Its program, as the container sees it. */
  readonly program: string;
  /** Where the container shows the files as they were before the step; undefined: they are its own. */
  readonly earlier: string | undefined;
  /** Opens it on the terminal. @returns its exit code, when it has ended */
  readonly open: () => Promise<number>;
}

/** What a build says of shells in one step's container. */
export interface StepShells {
  /** Open one before the step runs? */
  readonly before: boolean;
  /** Absolute path in the image; undefined: whichever there is. */
  readonly program: string | undefined;
  /** TERM of the terminal. */
  readonly term: string | undefined;
  /** Opens the shell when its turn has come, or lets it be. @throws StepFailedError when the step shall not run */
  readonly attend: (offer: ShellOffer) => Promise<void>;
  /** Told why none could be opened after a failure. */
  readonly giveUp: (reason: string) => void;
}

/** What a step may ask of the build while it is carried out. */
export interface ExecutionIo<Sources = unknown> {
  /** Takes a line of the program's output. */
  readonly output: (line: string) => void;
  /** Takes the line that the program is writing, as far as it has come: only its end is worth to be shown. */
  readonly unfinished?: (text: string) => void;
  /** Its reason is what `execute` throws once it is aborted. */
  readonly signal: AbortSignal;
  readonly secret: GetSecret;
  /** An ssh agent; undefined when the build was given none of that id. */
  readonly sshAgent: (id: string) => AgentSource | undefined;
  /**
   * Fills an empty directory with what shared caches have of a cache mount that is not here, and
   * gives it the owner and permissions that it had.
   * Undefined when the build has no shared caches.
   * @param name of the mount's directory in the store
   * @returns false when they have nothing of it; the directory is empty then
   */
  readonly restoreMount?:
    | ((name: string, directory: string, signal: AbortSignal) => Promise<boolean>)
    | undefined;
  /** User and password for the server that the step fetches from. */
  readonly credentials: Credentials | undefined;
  /**
   * The files of a COPY as the look-up selected them. An executor of the same process takes them as
   * they are; another one selects them again, from the layers of `reads`.
   */
  readonly sources: Sources | undefined;
  /** Told how many bytes of a COPY or ADD were copied or fetched, as they are. */
  readonly onBytes?: (bytes: number) => void;
  /** Shells in the step's container; undefined where nobody asked for one, or sits at the terminal. */
  readonly shells?: StepShells | undefined;
  /** The archive of an input layer, without compression, for executors with a store of their own. */
  readonly openLayer: (layer: InputLayer) => Readable;
  /** An input layer as a blob, for steps that travel: packed here, or opened where it can be fetched. */
  readonly openBlob: (
    layer: InputLayer,
  ) => Promise<{ readonly layer: BlobLayer; readonly open: OpenBlob }>;
  /** The step with its keys. Undefined where it is no part of a build. */
  readonly keyed?: KeyedRequest | undefined;
  /**
   * The steps that follow, each the only one that stands on the one before it, as far as they travel and
   * no cache is known to have them. They are a hint: the build may turn out not to need them.
   */
  readonly ahead?: (() => Promise<readonly KeyedRequest[]>) | undefined;
  /** Told where the step runs, each time that it begins on another machine. */
  readonly onPlace?: ((worker: string) => void) | undefined;
}

/** What a step left. Plain data but for the content, which is named. */
export interface LayerArtifact {
  /**
   * Where the layer's files are: a draft in the build's store, or an archive that `openArchive`
   * gives, or a blob that stays where it is until somebody needs its files. `none`: the step leaves no layer.
   */
  readonly content:
    | { readonly kind: 'none' }
    | { readonly kind: 'draft'; readonly id: LayerId }
    | { readonly kind: 'archive'; readonly diffId: string }
    | { readonly kind: 'blob'; readonly layer: BlobLayer };
  readonly files: number;
  /** Apparent size of its files. Bytes. */
  readonly bytes: number;
  /** Disk usage as du(1) counts it. Bytes. */
  readonly disk: number;
  /** How many files are links into a former layer. */
  readonly linked: number;
  readonly links: LayerLinks | undefined;
  /** See CopyReport; undefined also where nobody noted it. */
  readonly fresh?: readonly string[] | undefined;
  /** Opaque directories, relative paths; undefined when the executor did not look. */
  readonly opaque: readonly string[] | undefined;
  /** No file has extended attributes; undefined when the executor did not look. */
  readonly withoutXattrs: boolean | undefined;
  /** The layer's tree and digest; undefined where its files have to be read to know. */
  readonly tree: TreeDigest | undefined;
  readonly digest: LayerDigest | undefined;
  /** COPY: what was really copied; a context may have changed since the look-up. */
  readonly selections: readonly SelectionInput[] | undefined;
  /** What an executor that looks steps up by themselves has found out for their entry. */
  readonly found?: {
    readonly contentKey: ContentKey | undefined;
    readonly reads: Json | undefined;
    /** COPY: what it took. */
    readonly files: readonly SelectionInput[];
    /** It was there: nothing ran for this build. */
    readonly cached: boolean;
  };
}

/** Carries steps out. */
export interface Executor<Sources = unknown> {
  /** Does it find layers by their name in the build's store? Else they need their diffIDs. */
  readonly sharesStore: boolean;
  /**
   * Carries one step out. Nothing of it is left running or mounted afterwards, and nothing of its
   * files when it fails.
   * @throws StepFailedError when its program fails; DockerfileError, ContextError, UsageError for
   *   what the step asks for; the signal's reason
   */
  readonly execute: (
    step: KeyedStep,
    inputs: ExecutionInputs,
    io: ExecutionIo<Sources>,
  ) => Promise<LayerArtifact>;
  /**
   * Is the step carried out elsewhere, by a machine that gets its layers as blobs? Their files need not be
   * here then, and the executor looks it up by its content. Undefined: none is.
   */
  readonly travels?: (step: KeyedStep) => boolean;
  /** Opens the blob of an artifact. @throws ImageError */
  readonly openBlob?: (descriptor: Descriptor) => Promise<Readable>;
  /** The reference of the registry that has these blobs, if one has. */
  readonly blobRegistry?: string | undefined;
  /**
   * A RUN is going to be executed: what takes long to begin can begin.
   * @param isCertain false: unless a look-up by its content finds it
   */
  readonly expect?: (isCertain: boolean) => void;
  /** Gives back what it keeps for steps to come: there are none. */
  readonly close?: () => Promise<void>;
  /** The archive of an artifact, without compression; for executors with a store of their own. */
  readonly openArchive?: (diffId: string) => Promise<Readable>;
}
