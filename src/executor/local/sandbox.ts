/** Starts a container's program through wiac-sys and reports how it ended. */
import { existsSync, readFileSync, writeSync } from 'node:fs';
import { ASK } from '../../native/frames.js';
import { runOnStreams } from '../../native/run-on-streams.js';
import type { Reply, WiacSys } from '../../native/wiac-sys.js';
import { ContextError, IsolationError } from '../../util/errors.js';
import type { Container } from './container.js';
import { readEnd } from './container-end.js';
import type { ContainerPool } from './container-pool.js';
import { encodeContainer } from './encode-container.js';
import type { Operation } from './operations.js';
import { encodeOperations } from './operations.js';
import { loggedOutput, runtimeFailure } from './runtime-log.js';
import { setupError } from './setup-errors.js';

/** Gets the program's output in pieces as it comes. */
export type OnOutput = (chunk: Buffer) => void;

/** How a container's program ended. */
export interface Exit {
  /** As a shell reports it: 128 + number for a signal, 127 not found, 126 not executable. */
  readonly code: number;
  /** Why the program could not be started at all. */
  readonly startError: string | undefined;
}

/** The end of a container whose output wiac gets. */
export interface CapturedExit extends Exit {
  /** What wiac-sys has read of what it wrote to; undefined: too much to do so (fs/scan/tree-xattrs.ts). */
  readonly survey: Buffer | undefined;
  /** Has somebody outside of it a file open for writing, of those that it wrote? */
  readonly isHeld: boolean;
}

/** Says which mount it was that had no place, as in what is mounted around it nothing new can be made. */
function refusedMount(
  message: string,
  { root, binds, tmpfs }: Container,
): ContextError | undefined {
  const places = [...binds, ...tmpfs].flatMap(({ target, within }) => {
    const { base, path, kind } = within ?? {};
    return within ? [{ target, base, said: `mount-point ${root} ${base} ${path} ${kind}: ` }] : [];
  });
  const found = places.find(({ said }) => message.startsWith(said));
  if (!found) return undefined;
  const { target, base, said } = found;
  return new ContextError(
    `nothing can be mounted at ${target}: ${message.slice(said.length)}`,
    undefined,
    { hint: `${base} is mounted as well: mount at what is in there, or elsewhere` },
  );
}

/** A working directory whose path leads through a file. */
function refusedWorkdir(message: string, { workdir }: Container): ContextError | undefined {
  if (message !== `make-path ${workdir}: File exists`) return undefined;
  return new ContextError(
    `the working directory ${workdir} can't be made: something that is no directory is in its way`,
    undefined,
    { hint: 'choose another one, or remove what is there' },
  );
}

/**
 * @throws ContextError for a mount or a working directory that has no place; IsolationError, LimitError or NoSpaceError
 *   when the container could not be set up, its output not be written, or its files be changed later
 */
function getExit(reply: Reply, container?: Container): CapturedExit {
  const { code, kind, message, survey } = readEnd(reply);
  const upper = container?.overlay.upper?.directory;
  if (kind === 'setup') {
    const refused =
      container && (refusedMount(message, container) ?? refusedWorkdir(message, container));
    if (refused) throw refused;
    throw setupError('the container could not be set up', message, upper);
  }
  if (kind === 'output') {
    throw new IsolationError(`the program's output could not be written: ${message}`);
  }
  if (kind === 'files') {
    throw setupError("the container's files could not be made read-only", message, upper);
  }
  const startError = kind === 'exec' ? message : undefined;
  return { code, startError, survey, isHeld: kind === 'held' };
}

/**
 * Has operations carried out that end without a program.
 * @throws IsolationError when the kernel refuses one, or wiac-sys ends
 */
export async function runOperations(sys: WiacSys, operations: readonly Operation[]): Promise<void> {
  getExit(await sys.request(ASK.run, encodeOperations(operations)));
}

function readLog({ runtime, runtimeLog }: Container): Buffer {
  return runtime !== undefined && existsSync(runtimeLog) ? readFileSync(runtimeLog) : NOTHING;
}

const NOTHING = Buffer.alloc(0);

/**
 * An OCI runtime that can't make the container ends with a code of its own.
 * @throws IsolationError when it was not the program that could not be started
 */
function asProgramEnd(exit: CapturedExit, { runtime }: Container, log: Buffer): CapturedExit {
  if (exit.code === 0) return exit;
  const failure = runtimeFailure(log.toString());
  if (!failure) return exit;
  const { code, message } = failure;
  if (code !== undefined) return { ...exit, code, startError: message };
  throw new IsolationError(`${runtime} could not make the container: ${message}`);
}

/**
 * Runs a container to its end; wiac gets its output. All mounts are made in a mount namespace of its
 * own: the kernel removes them with the last process, however that ends.
 * @param signal kills every process of the container
 * @throws ContextError for a mount that has no place; IsolationError when the kernel refuses an operation, or wiac-sys ends
 */
export async function runCaptured(
  pool: ContainerPool,
  container: Container,
  onOutput: OnOutput,
  signal: AbortSignal,
): Promise<CapturedExit> {
  const reply = await pool.run(container, { onPart: onOutput, signal });
  return asProgramEnd(getExit(reply, container), container, readLog(container));
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
  const reply = await runOnStreams(encodeContainer(container, 'relay'), signal, output);
  const log = readLog(container);
  const exit = asProgramEnd(getExit(reply, container), container, log);
  const late = loggedOutput(log);
  if (late.length > 0) writeSync(output === 'stdout' ? 1 : 2, late);
  return exit;
}
