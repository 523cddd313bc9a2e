/** The build's side of an executor in another process: see executor-child.ts. */
import { fork } from 'node:child_process';
import { createReadStream, createWriteStream, existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type {
  ExecutionIo,
  Executor,
  InputLayer,
  LayerArtifact,
} from '../../src/executor/executor.js';
import type { CopySources } from '../../src/executor/local/copy-sources.js';
import { StepFailedError } from '../../src/util/errors.js';
import type { FromExecutor, ToExecutor } from './executor-messages.js';
import { archivePath } from './executor-messages.js';

/** An executor that has to be closed. */
export interface ChildExecutor {
  readonly executor: Executor<CopySources>;
  /** Kinds of the steps that the process carried out. */
  readonly carriedOut: readonly string[];
  readonly close: () => Promise<void>;
}

interface Waiting {
  readonly layers: readonly InputLayer[];
  readonly io: ExecutionIo<CopySources>;
  readonly settle: (outcome: FromExecutor) => void;
}

/**
 * Starts the process.
 * @param root of its store, and of the archives that go between
 */
export async function startChild(root: string): Promise<ChildExecutor> {
  const exchange = join(root, 'exchange');
  mkdirSync(exchange, { recursive: true });
  const child = fork('dist-checkpoints/executor-child.js', [join(root, 'store'), exchange]);
  const waiting = new Map<number, Waiting>();
  const carriedOut: string[] = [];
  const tell = (message: ToExecutor) => child.send(message);

  const send = async (number: number, diffId: string) => {
    const { layers = [], io } = waiting.get(number) ?? {};
    const layer = layers.find((candidate) => candidate.diffId === diffId);
    if (!layer || !io) throw new Error(`nobody has the layer ${diffId}`);
    const path = archivePath(exchange, diffId);
    if (!existsSync(path)) {
      await pipeline(io.openLayer(layer), createWriteStream(`${path}.${number}`));
      renameSync(`${path}.${number}`, path);
    }
    tell({ type: 'layer', diffId });
  };

  let ready = () => {};
  const started = new Promise<void>((resume) => {
    ready = resume;
  });
  child.on('message', (message: FromExecutor) => {
    if (message.type === 'ready') ready();
    else if (message.type === 'want') void send(message.number, message.diffId);
    else if (message.type === 'output') waiting.get(message.number)?.io.output(message.text);
    else waiting.get(message.number)?.settle(message);
  });
  await started;

  let numbers = 0;
  const executor: Executor<CopySources> = {
    sharesStore: false,
    openArchive: async (diffId) => createReadStream(archivePath(exchange, diffId)),
    execute: async (step, inputs, io): Promise<LayerArtifact> => {
      numbers += 1;
      const number = numbers;
      carriedOut.push(step.kind);
      const secrets: Record<string, string> = {};
      for (const mount of step.kind === 'run' ? step.mounts : []) {
        const value = mount.type === 'secret' ? await io.secret(mount.id, io.signal) : undefined;
        if (mount.type === 'secret' && value) secrets[mount.id] = value.toString('base64');
      }
      const abort = () => tell({ type: 'abort', number });
      io.signal.addEventListener('abort', abort, { once: true });
      const outcome = await new Promise<FromExecutor>((settle) => {
        waiting.set(number, { layers: [...inputs.base, ...inputs.reads.flat()], io, settle });
        tell({ type: 'execute', number, step, inputs, secrets });
      });
      io.signal.removeEventListener('abort', abort);
      io.signal.throwIfAborted();
      if (outcome.type === 'done') return outcome.artifact;
      if (outcome.type !== 'failed') throw new Error(outcome.type);
      const { message, exitCode, lastLines } = outcome;
      if (exitCode === undefined) throw new Error(message);
      throw new StepFailedError(message, step.location, exitCode, lastLines);
    },
  };
  const close = async () => {
    const ended = new Promise<void>((resume) => child.on('exit', () => resume()));
    child.disconnect();
    await ended;
  };
  return { executor, carriedOut, close };
}
