/** `wiac run` */
import { existsSync, mkdtempSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { requirePresent } from '../cache/adopt-layer.js';
import { layerFiles, layerIdsOf } from '../cache/layer-store.js';
import { storePaths, storeRoot, temporaryDirectory } from '../cache/paths.js';
import type { Store } from '../cache/store.js';
import { closeStore } from '../cache/store.js';
import { useLayers } from '../cache/uses.js';
import { NotFoundError, UsageError } from '../errors.js';
import type { Isolation } from '../exec/container.js';
import { parseLowerdirs } from '../exec/overlay.js';
import { ensurePrivileges } from '../exec/privileges.js';
import { runProgram } from '../exec/run-program.js';
import { removeTree } from '../fs/remove.js';
import type { ContainerConfig } from '../image/config.js';
import { DEFAULT_PATH, envPairs } from '../image/config.js';
import { hasTransport } from '../oci/reference.js';
import { parsePairs, wantedPlatform } from './dockerfile-input.js';
import { findImage } from './find-image.js';
import { makeLayerDirectory } from './layer-directory.js';
import { imageToRun, type PullPolicy } from './run-image.js';
import { openUserStore } from './user-store.js';

/** Options of `wiac run`, as commander gives them. */
export interface RunOptions {
  readonly env: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly entrypoint?: string;
  readonly layer?: string;
  readonly network: 'host' | 'none';
  readonly pull: PullPolicy;
  readonly platform?: string;
  readonly isolation: Isolation;
}

/** What is to run, where. */
interface Target {
  /** Absolute paths, topmost first. */
  readonly lower: readonly string[];
  readonly config: ContainerConfig;
  readonly argv: readonly string[];
  /** Directory that keeps what the program writes; undefined: nothing is kept. */
  readonly layer: string | undefined;
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Written as paths: never looked up as the name of an image. */
function isWrittenAsPath(text: string): boolean {
  if (hasTransport(text)) return false;
  return parseLowerdirs(text).some((path) => path.startsWith('/') || path.startsWith('.'));
}

/** @throws NotFoundError when one of the directories does not exist */
function readLowerdirs(text: string): string[] {
  const paths = parseLowerdirs(text);
  const missing = paths.find((path) => !isDirectory(path));
  if (missing !== undefined) {
    throw new NotFoundError(`the layer directory ${missing} does not exist`, {
      hint: 'give existing directories, topmost first, separated by colons',
    });
  }
  return paths.map((path) => resolve(path));
}

/**
 * Declares that this process uses the directories that are layers of the store.
 * @returns the store, whose layers are in use until it is closed
 */
async function useLowerdirs(root: string, lower: readonly string[]): Promise<Store | undefined> {
  const layers = layerIdsOf(storePaths(root), lower);
  if (layers.length === 0) return undefined;
  const store = await openUserStore(root);
  try {
    useLayers(store.index, layers);
    return store;
  } catch (error) {
    await closeStore(store);
    throw error;
  }
}

/** The default environment of a container that has no config. */
const BARE_CONFIG: ContainerConfig = { Env: [`PATH=${DEFAULT_PATH}`], WorkingDir: '/' };

function lowerdirTarget(
  lower: readonly string[],
  rest: readonly string[],
  options: RunOptions,
): Target {
  const [layer, ...argv] = rest;
  if (layer === undefined || argv.length === 0) {
    throw new UsageError('LOWERDIRS need a CONTAINERLAYER and an ENTRYPOINT', {
      hint: 'wiac run LOWERDIRS CONTAINERLAYER ENTRYPOINT [ARGUMENT...]',
    });
  }
  if (options.layer !== undefined) throw new UsageError('--layer goes with the name of an image');
  if (existsSync(layer) && !isDirectory(layer)) {
    throw new UsageError(`the CONTAINERLAYER ${layer} is not a directory`);
  }
  return { lower, config: BARE_CONFIG, argv, layer: resolve(layer) };
}

async function imageTarget(
  store: Store,
  name: string,
  rest: readonly string[],
  options: RunOptions,
): Promise<Target> {
  const platform = options.platform === undefined ? undefined : wantedPlatform(options.platform);
  const image = await imageToRun(store, name, { pull: options.pull, platform });
  // In use until the program has ended, whatever is pruned or named anew meanwhile.
  useLayers(store.index, image.layers);
  const { config } = image;
  const entrypoint =
    options.entrypoint === undefined ? (config.Entrypoint ?? []) : [options.entrypoint];
  const cmd = rest.length > 0 || options.entrypoint !== undefined ? rest : (config.Cmd ?? []);
  const argv = [...entrypoint, ...cmd];
  if (argv.length === 0) {
    throw new UsageError(`the image ${name} has neither ENTRYPOINT nor CMD`, {
      hint: `say what to run: wiac run ${name} PROGRAM`,
    });
  }
  requirePresent(store, image.layers, `the image ${name}`);
  const lower = image.layers.map((id) => layerFiles(store, id)).reverse();
  return {
    lower,
    config,
    argv,
    layer: options.layer === undefined ? undefined : resolve(options.layer),
  };
}

/**
 * What an image says is to be run, with the open store that has it.
 * @returns undefined when there are directories of that name, but no image
 */
async function openImage(
  root: string,
  name: string,
  rest: readonly string[],
  options: RunOptions,
): Promise<{ readonly target: Target; readonly store: Store } | undefined> {
  const store = await openUserStore(root);
  try {
    const isKnown = hasTransport(name) || (await findImage(store, name)) !== undefined;
    if (isKnown || !parseLowerdirs(name).every(isDirectory))
      return { target: await imageTarget(store, name, rest, options), store };
  } catch (error) {
    await closeStore(store);
    throw error;
  }
  await closeStore(store);
  return undefined;
}

function environment(config: ContainerConfig, options: RunOptions): [string, string][] {
  const env = envPairs(config.Env);
  // Programs ask the terminal's type, not whether it is there.
  if (process.stdin.isTTY && process.env.TERM !== undefined) env.set('TERM', process.env.TERM);
  for (const [name, value] of Object.entries(parsePairs(options.env, '--env')))
    env.set(name, value);
  return [...env];
}

/**
 * Runs a program in layers.
 * @returns the program's exit code
 */
export async function runCommand(
  first: string,
  rest: readonly string[],
  options: RunOptions,
): Promise<number> {
  const root = storeRoot(process.env, process.getuid?.() === 0);
  const relayed = await ensurePrivileges(root);
  if (relayed !== undefined) return relayed;
  const image = isWrittenAsPath(first) ? undefined : await openImage(root, first, rest, options);
  const target = image?.target ?? lowerdirTarget(readLowerdirs(first), rest, options);
  const store = image?.store ?? (await useLowerdirs(root, target.lower));
  const scratch = mkdtempSync(join(temporaryDirectory(), 'wiac-run-'));
  try {
    if (target.layer !== undefined && !existsSync(target.layer)) makeLayerDirectory(target.layer);
    // The upper and the work directory have to be on one file system (overlayfs documentation).
    const upperParent = target.layer === undefined ? scratch : dirname(target.layer);
    const exit = await runProgram({
      lower: target.lower,
      upper: target.layer ?? join(scratch, 'upper'),
      workParent: upperParent,
      scratch,
      isolation: options.isolation,
      network: options.network,
      user: options.user ?? target.config.User ?? '',
      workdir: options.workdir ?? target.config.WorkingDir,
      env: environment(target.config, options),
      argv: target.argv,
    });
    if (exit.startError !== undefined)
      process.stderr.write(`wiac: can't start ${exit.startError}\n`);
    return exit.code;
  } finally {
    removeTree(scratch);
    if (store) await closeStore(store);
  }
}
