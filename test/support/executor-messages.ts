/** What a build and an executor in another process say to each other: JSON, and archives by digest. */
import type { ExecutionInputs, LayerArtifact } from '../../src/executor/executor.js';
import type { KeyedStep } from '../../src/keys/inputs.js';

/** From the build to the executor. */
export type ToExecutor =
  | {
      readonly type: 'execute';
      readonly number: number;
      readonly step: KeyedStep;
      readonly inputs: ExecutionInputs;
      /** Secrets of the step by name, in base64. */
      readonly secrets: Readonly<Record<string, string>>;
    }
  | { readonly type: 'layer'; readonly diffId: string }
  | { readonly type: 'abort'; readonly number: number };

/** From the executor to the build. */
export type FromExecutor =
  | { readonly type: 'ready' }
  | { readonly type: 'want'; readonly number: number; readonly diffId: string }
  | { readonly type: 'output'; readonly number: number; readonly text: string }
  | { readonly type: 'done'; readonly number: number; readonly artifact: LayerArtifact }
  | {
      readonly type: 'failed';
      readonly number: number;
      readonly message: string;
      /** Of StepFailedError. */
      readonly exitCode: number | undefined;
      readonly lastLines: readonly string[];
    };

/** Where an archive lies that both sides can read, as in an image layout. */
export function archivePath(exchange: string, diffId: string): string {
  return `${exchange}/${diffId.replace(':', '-')}`;
}
