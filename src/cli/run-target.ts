import { resolve } from 'node:path';
import { findImage } from '../engine/images/find-image.js';
import { parseLowerdirs } from '../executor/local/overlay.js';
import type { ContainerConfig } from '../oci/image-config.js';
import { DEFAULT_PATH } from '../oci/image-config.js';
import { hasTransport } from '../oci/reference.js';
import { requirePresent } from '../store/layers/adopt-layer.js';
import { getLayerIds, layerFiles } from '../store/layers/layer-store.js';
import { storePaths } from '../store/paths.js';
import { useLayers } from '../store/pins/uses.js';
import type { Store } from '../store/store.js';
import { closeStore } from '../store/store.js';
import { NotFoundError, UsageError } from '../util/errors.js';
import { statNamed } from '../util/stat-named.js';
import { getUsage } from './declare/declare-usage.js';
import { wantedPlatform } from './dockerfile-input.js';
import { isDirectory } from './is-directory.js';
import { imageToRun } from './run-image.js';
import type { RunOptions } from './run-options.js';
import { readSignedPrefixes } from './signed-prefix-options.js';
import { openUserStore } from './user-store.js';

/** The program to run, and its layers. */
export interface Target {
  /** Absolute paths, topmost first. */
  readonly lower: readonly string[];
  readonly config: ContainerConfig;
  readonly argv: readonly string[];
  /** Layer directory that keeps what the program writes; undefined: nothing is kept. */
  readonly layer: string | undefined;
  /** What the lower directories are called in messages. */
  readonly name: string;
}

/** A target with the store whose layers are in use until it is closed. */
export interface OpenTarget {
  readonly target: Target;
  readonly store: Store | undefined;
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
      hint: `give existing directories, topmost first, separated by colons: ${getUsage('run')}`,
    });
  }
  return paths.map((path) => resolve(path));
}

/** Declares that this process uses the directories that are layers of the store. */
async function useLowerdirs(root: string, lower: readonly string[]): Promise<Store | undefined> {
  const layers = getLayerIds(storePaths(root), lower);
  if (layers.length === 0) return undefined;
  const store = await openUserStore(root);
  try {
    useLayers(store, layers);
    return store;
  } catch (error) {
    await closeStore(store);
    throw error;
  }
}

/** The default environment of a container that has no config. */
const BARE_CONFIG: ContainerConfig = { Env: [`PATH=${DEFAULT_PATH}`], WorkingDir: '/' };

function lowerdirTarget(first: string, rest: readonly string[], options: RunOptions): Target {
  const lower = readLowerdirs(first);
  const [layer, ...argv] = rest;
  if (layer === undefined || argv.length === 0) {
    // Somebody may have meant an image, and be in a directory with one of that name.
    const image = isWrittenAsPath(first)
      ? ''
      : `there is no image ${first} in the store, and ${first} is a directory here: `;
    const pull = image === '' ? '' : `; wiac pull ${first} for an image of a registry`;
    throw new UsageError(`${image}LOWERDIRS need a CONTAINERLAYER and an ENTRYPOINT`, {
      hint: `${getUsage('run')}${pull}`,
    });
  }
  const ofImages: [boolean, string][] = [
    [options.layer !== undefined, '--layer'],
    [options.entrypoint !== undefined, '--entrypoint'],
    [options.platform !== undefined, '--platform'],
  ];
  for (const [given, option] of ofImages) {
    if (given)
      throw new UsageError(`${option} goes with the name of an image`, { hint: getUsage('run') });
  }
  if (statNamed(layer)?.isDirectory() === false)
    throw new UsageError(`the CONTAINERLAYER ${layer} is not a directory`);
  const name = lower.length === 1 ? `the layer ${first}` : `the layers ${first}`;
  return { lower, config: BARE_CONFIG, argv, layer: resolve(layer), name };
}

/** podman's --entrypoint may be a JSON list; an empty one takes that of the image away. */
function getEntrypoint(text: string): string[] {
  if (text === '') return [];
  if (!text.startsWith('[')) return [text];
  try {
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list) && list.every((item) => typeof item === 'string')) return list;
  } catch {
    // The name of a program after all.
  }
  return [text];
}

async function imageTarget(
  store: Store,
  name: string,
  rest: readonly string[],
  options: RunOptions,
): Promise<Target> {
  const platform = options.platform === undefined ? undefined : wantedPlatform(options.platform);
  const { pull, quiet } = options;
  const requireSigned = readSignedPrefixes(options.requireSigned, process.env);
  const image = await imageToRun(store, name, { pull, quiet, platform, requireSigned });
  // In use until the program has ended, whatever is pruned or named anew meanwhile.
  useLayers(store, image.layers);
  const { config } = image;
  const given = options.entrypoint;
  const entrypoint = given === undefined ? (config.Entrypoint ?? []) : getEntrypoint(given);
  const cmd = rest.length > 0 || given !== undefined ? rest : (config.Cmd ?? []);
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
    name: `the layers of ${name}`,
  };
}

/** @returns undefined when there are directories of that name, but no image */
async function openImage(
  root: string,
  name: string,
  rest: readonly string[],
  options: RunOptions,
): Promise<OpenTarget | undefined> {
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

/**
 * Finds out what the words after `wiac run` mean.
 * @param first lower directories, or the name of an image
 * @throws UsageError, NotFoundError, and whatever a pull throws
 */
export async function openTarget(
  root: string,
  first: string,
  rest: readonly string[],
  options: RunOptions,
): Promise<OpenTarget> {
  if (parseLowerdirs(first.trim()).length === 0) {
    throw new UsageError('LOWERDIRS is empty: did the build fail?', { hint: getUsage('run') });
  }
  const image = isWrittenAsPath(first) ? undefined : await openImage(root, first, rest, options);
  if (image) return image;
  const target = lowerdirTarget(first, rest, options);
  return { target, store: await useLowerdirs(root, target.lower) };
}
