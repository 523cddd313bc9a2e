/** Starts a container's program through wiac-sys and reports how it ended. */
import { existsSync, readFileSync } from 'node:fs';
import { isatty } from 'node:tty';
import { ASK } from '../../native/frames.js';
import { payloadReader } from '../../native/payload.js';
import { runOnStreams } from '../../native/run-on-streams.js';
import type { Reply, WiacSys } from '../../native/wiac-sys.js';
import { IsolationError } from '../../util/errors.js';
import { heldCapabilities } from './capabilities.js';
import type { Container, StreamKind } from './container.js';
import { enterOperations } from './enter-operations.js';
import type { Operation } from './operations.js';
import { encodeOperations } from './operations.js';
import { runtimeFailure } from './runtime-log.js';
import { runtimeOperations } from './runtime-operations.js';

/** Gets the program's output in pieces as it comes. */
export type OnOutput = (chunk: Buffer) => void;

/** How a container's program ended. */
export interface Exit {
  /** As a shell reports it: 128 + number for a signal, 127 not found, 126 not executable. */
  readonly code: number;
  /** Why the program could not be started at all. */
  readonly startError: string | undefined;
}

function setupHint(message: string): string | undefined {
  if (/^(clone|unshare|open_tree)\b.*Operation not permitted/.test(message)) {
    return 'run wiac as root, or allow unprivileged user namespaces on this machine';
  }
  if (/^overlay /.test(message)) {
    return 'overlayfs refused these directories: is the store on overlayfs itself, or a layer missing? see dmesg';
  }
  if (/Function not implemented/.test(message)) {
    return 'wiac needs Linux 5.12 or newer, and nothing that hides its system calls: see wiac doctor';
  }
  return undefined;
}

/** The end of a container whose output wiac gets. */
export interface CapturedExit extends Exit {
  /** What wiac-sys has read of what it wrote to; undefined: too much to do so (fs/scan/tree-xattrs.ts). */
  readonly survey: Buffer | undefined;
}

/** @throws IsolationError when the container could not be set up, or its output not be written */
function getExit({ payload }: Reply): CapturedExit {
  const reader = payloadReader(payload);
  const code = reader.number();
  const [, kind, message = ''] = /^(\w+): (.*)$/s.exec(reader.text().toString()) ?? [];
  if (kind === 'setup') {
    throw new IsolationError(`the container could not be set up: ${message}`, {
      hint: setupHint(message),
    });
  }
  if (kind === 'output') {
    throw new IsolationError(`the program's output could not be written: ${message}`);
  }
  const survey = reader.isEmpty() ? undefined : reader.rest();
  return { code, startError: kind === 'exec' ? message : undefined, survey };
}

/** An OCI runtime makes a terminal for all three streams or for none. */
function wantsTerminal({ terminal }: Container, streams: StreamKind): boolean {
  return streams === 'relay' && (terminal || [0, 1, 2].every((stream) => isatty(stream)));
}

function encode(container: Container, streams: StreamKind): Buffer {
  const { runtime } = container;
  const held = () => heldCapabilities(readFileSync('/proc/self/status', 'latin1'));
  const operations =
    runtime === undefined
      ? enterOperations(container, streams)
      : runtimeOperations(container, streams, {
          path: runtime,
          held: held(),
          terminal: wantsTerminal(container, streams),
        });
  return encodeOperations(operations);
}

/**
 * Has operations carried out that end without a program.
 * @throws IsolationError when the kernel refuses one, or wiac-sys ends
 */
export async function runOperations(sys: WiacSys, operations: readonly Operation[]): Promise<void> {
  getExit(await sys.request(ASK.run, encodeOperations(operations)));
}

/**
 * An OCI runtime that can't make the container ends with a code of its own.
 * @throws IsolationError when it was not the program that could not be started
 */
function asProgramEnd(exit: CapturedExit, { runtime, runtimeLog }: Container): CapturedExit {
  if (runtime === undefined || exit.code === 0 || !existsSync(runtimeLog)) return exit;
  const failure = runtimeFailure(readFileSync(runtimeLog, 'utf8'));
  if (!failure) return exit;
  const { code, message } = failure;
  if (code !== undefined) return { ...exit, code, startError: message };
  throw new IsolationError(`${runtime} could not make the container: ${message}`);
}

/**
 * Runs a container to its end; wiac gets its output. All mounts are made in a mount namespace of its
 * own: the kernel removes them with the last process, however that ends.
 * @param signal kills every process of the container
 * @throws IsolationError when the kernel refuses an operation, or wiac-sys ends
 */
export async function runCaptured(
  sys: WiacSys,
  container: Container,
  onOutput: OnOutput,
  signal: AbortSignal,
): Promise<CapturedExit> {
  const io = { onPart: onOutput, signal };
  const reply = await sys.request(ASK.run, encode(container, 'capture'), io);
  return asProgramEnd(getExit(reply), container);
}

/**
 * The same, with the streams of wiac's caller for its program.
 * @param output which of them the program's output goes to
 * @throws IsolationError also when a file that its output goes to takes no more
 */
export async function runAttached(
  container: Container,
  signal: AbortSignal | undefined,
  output: 'stdout' | 'stderr' = 'stdout',
): Promise<Exit> {
  const reply = await runOnStreams(encode(container, 'relay'), signal, output);
  return asProgramEnd(getExit(reply), container);
}
