/**
 * Everything that happens during a build, as one discriminated union of plain data: it can be kept,
 * printed as JSON, and sent elsewhere. docs/library.md describes it.
 */
import type { DefinitionKey } from '../keys/digest.js';
import type { Step, StepId } from '../plan/step.js';
import type { Explanation } from '../why/explain.js';

/** Counts up when an event loses a member, or a member another meaning; new members may come. */
export const EVENTS_VERSION = 1;

/** What bytes are moved for. */
export type TransferKind =
  | 'pull'
  | 'push'
  | 'export'
  | 'cache import'
  | 'cache export'
  /** A context that is read to find out what has changed, or fetched. */
  | 'context'
  /** COPY, and ADD of files of this machine. */
  | 'copy'
  /** ADD of a file of the web. */
  | 'add';

/** How far a transfer is; told when it begins and ends, and a few times a second in between. */
export interface TransferEvent {
  readonly type: 'transfer';
  /** The same for all events of one transfer, and of no other one in this build. */
  readonly id: string;
  readonly what: TransferKind;
  /** The layer's digest, the file or the directory. */
  readonly name: string;
  /** Bytes so far, as they are moved: compressed ones of a layer. An attempt that is repeated begins at 0. */
  readonly done: number;
  /** Bytes in all; left out as long as nobody knows. */
  readonly total?: number;
  /** Since it began. */
  readonly durationMs: number;
  readonly state: 'running' | 'done' | 'failed';
}

export type BuildEvent =
  /** The beginning of a platform's build. */
  | {
      readonly type: 'planned';
      readonly version: typeof EVENTS_VERSION;
      readonly steps: readonly Step[];
    }
  | { readonly type: 'warning'; readonly message: string }
  | {
      readonly type: 'cached';
      readonly step: StepId;
      readonly key: DefinitionKey;
      /** Which of the two keys was found. */
      readonly by: 'definition' | 'content';
      /** How long the step took when it was run, here or elsewhere. */
      readonly durationMs: number;
    }
  | { readonly type: 'waiting'; readonly step: StepId; readonly pid: number }
  | {
      readonly type: 'started';
      readonly step: StepId;
      readonly key: DefinitionKey;
      /** Why the cache had nothing for it; left out when the build was not to look for reasons. */
      readonly why?: Explanation;
    }
  /** The step runs on another machine; told again when another one takes it over. */
  | { readonly type: 'placed'; readonly step: StepId; readonly worker: string }
  | { readonly type: 'output'; readonly step: StepId; readonly text: string }
  /** The line that its program is writing, as far as it has come; the next `output` has all of it. */
  | { readonly type: 'unfinished'; readonly step: StepId; readonly text: string }
  | {
      readonly type: 'finished';
      readonly step: StepId;
      readonly durationMs: number;
      readonly files: number;
      readonly bytes: number;
      /** COPY: how many files were hard-linked from a former layer. */
      readonly linked: number;
      /** Nothing ran: the worker that it was sent to had it. */
      readonly cached?: true;
    }
  | { readonly type: 'failed'; readonly step: StepId; readonly message: string }
  /** Ended for what happened elsewhere: another step failed, or somebody pressed Ctrl-C. */
  | { readonly type: 'stopped'; readonly step: StepId }
  | TransferEvent
  /** What the linter says of the Dockerfile; there is none when that is nothing. */
  | {
      readonly type: 'lint';
      readonly warnings: readonly {
        readonly rule: string;
        /** What the rule asks for. */
        readonly description: string;
        readonly detail: string;
        readonly url: string;
        readonly file: string;
        readonly line: number;
      }[];
    }
  | {
      readonly type: 'built';
      readonly durationMs: number;
      readonly cached: number;
      readonly executed: number;
      /** Apparent size of the result's files; left out when not all of its layers are here. */
      readonly bytes?: number;
    };

/** Receives events in the order in which they happen. */
export type EventSink = (event: BuildEvent) => void;
