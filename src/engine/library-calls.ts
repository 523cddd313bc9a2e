/** The functions of the library, which check what a program gives them before they do anything. */
import {
  findEntry as findCacheEntry,
  listEntries as listCacheEntries,
} from '../store/entries/cache-queries.js';
import { prune as pruneStore } from '../store/gc/prune-store.js';
import { closeStore as close, openStore as open } from '../store/store.js';
import { explainBuild, planBuild } from './ask.js';
import { buildDockerfile } from './build-dockerfile.js';
import { imageProvenance as provenance, imageSbom as sbom } from './contents/carried.js';
import { diffFiles as files, diffPackages as packages } from './contents/diff-images.js';
import { exportResult as exportTo } from './exports/export-result.js';
import { parseOutput as parse } from './exports/output-spec.js';
import {
  listBuilds as listKeptBuilds,
  loadBuild as loadKeptBuild,
  readBuild as readKeptBuild,
} from './history/read-builds.js';
import { recordBuild as record } from './history/record-build.js';
import {
  BUILD,
  built,
  limits,
  locked,
  onePlatform,
  pruned,
  store,
  subject,
  texts,
} from './library-kinds.js';
import { checkLockFile, outdatedSources } from './locks/ask-lock.js';
import { lockBuild } from './locks/lock-build.js';
import { rebuildImage } from './repro/rebuild.js';
import { reproduce } from './repro/reproduce.js';
import { run as runProgram } from './run-in-layers.js';
import { signImage as sign } from './signatures/sign-image.js';
import { verifyImage as verify } from './signatures/verify-image.js';
import { diffSteps as compareSteps, findStepFiles } from './step-files.js';
import type { Kind, Members } from './value-kinds.js';
import {
  anObject,
  call,
  either,
  flag,
  having,
  listOf,
  mapOf,
  oneOf,
  optional,
  requireKinds,
  signal,
  someOf,
  text,
} from './value-kinds.js';
import { watchBuild } from './watch/watch-build.js';

type Kinds = Readonly<Record<string, Kind>>;

/** A function with its arguments checked. @param kinds of its arguments by their names, in their order */
function checked<G extends unknown[], R>(
  title: string,
  kinds: Kinds,
  action: (...given: G) => R,
): (...given: G) => R {
  return (...given) => {
    requireKinds(title, kinds, given);
    return action(...given);
  };
}

/** The same for one that gives a promise: that is what fails then. */
function checkedLater<G extends unknown[], R>(
  title: string,
  kinds: Kinds,
  action: (...given: G) => Promise<R>,
): (...given: G) => Promise<R> {
  return async (...given) => {
    requireKinds(title, kinds, given);
    return action(...given);
  };
}

/** See openStore of store/store. */
export const openStore: typeof open = checkedLater('openStore', { root: text }, open);
/** See closeStore of store/store. */
export const closeStore: typeof close = checkedLater('closeStore', { store }, close);
/** See prune of store/gc/prune-store. */
export const prune: typeof pruneStore = checked('prune', { store, request: pruned }, pruneStore);
/** See listEntries of store/entries/cache-queries. */
export const listEntries: typeof listCacheEntries = checked(
  'listEntries',
  { store },
  listCacheEntries,
);
/** See findEntry of store/entries/cache-queries. */
export const findEntry: typeof findCacheEntry = checked(
  'findEntry',
  { store, prefix: text },
  findCacheEntry,
);

/** See buildDockerfile. `platform` is what the questions take. */
export const build: typeof buildDockerfile = checkedLater(
  'build',
  {
    store,
    request: (value, name) =>
      built(value, name) ??
      ((value as { platform?: unknown }).platform === undefined
        ? undefined
        : `${name}.platform means nothing here: it takes platforms, a list`),
  },
  buildDockerfile,
);
/** See planBuild. */
export const plan: typeof planBuild = checkedLater(
  'plan',
  { store, request: onePlatform },
  planBuild,
);
/** See explainBuild. */
export const why: typeof explainBuild = checkedLater(
  'why',
  { store, request: onePlatform },
  explainBuild,
);
/** See lockBuild. */
export const lock: typeof lockBuild = checkedLater(
  'lock',
  { store, request: locked, renewal: optional(either(oneOf('all'), texts)) },
  lockBuild,
);
/** See checkLockFile. */
export const checkLock: typeof checkLockFile = checkedLater(
  'checkLock',
  { store, request: locked },
  checkLockFile,
);
/** See outdatedSources. */
export const outdated: typeof outdatedSources = checkedLater(
  'outdated',
  { store, request: locked },
  outdatedSources,
);
/** See reproduce. */
export const repro: typeof reproduce = checkedLater(
  'repro',
  { store, request: having({ context: text, ...BUILD, repeats: optional(call) }) },
  reproduce,
);
/** See rebuildImage. */
export const rebuild: typeof rebuildImage = checkedLater(
  'rebuild',
  {
    store,
    request: having({ ...BUILD, image: text, context: optional(text), platform: optional(text) }),
  },
  rebuildImage,
);
/** See watchBuild. */
export const watch: typeof watchBuild = checkedLater(
  'watch',
  {
    store,
    request: having({ context: text, ...BUILD, signal }),
    apart: texts,
    listener: having({ begin: call, built: call, failed: call, outdated: call }),
  },
  watchBuild,
);
/** See run of run-in-layers. */
export const run: typeof runProgram = checkedLater(
  'run',
  {
    request: having({
      lowerdirs: text,
      argv: texts,
      layer: optional(text),
      env: optional(mapOf(text)),
      user: optional(text),
      workdir: optional(text),
      network: optional(oneOf('host', 'none', 'private')),
      hostname: optional(text),
      readOnly: optional(flag),
      isolation: optional(oneOf('namespaces', 'chroot')),
      runtime: optional(text),
      limits: optional(limits),
      signal: optional(signal),
    }),
  },
  runProgram,
);
/** See parseOutput. */
export const parseOutput: typeof parse = checked('parseOutput', { text }, parse);
/** See exportResult. */
export const exportResult: typeof exportTo = checkedLater(
  'exportResult',
  {
    store,
    result: having({ platforms: listOf(anObject), facts: anObject }),
    wanted: having({ outputs: listOf(anObject), names: texts, signal: optional(signal) }),
  },
  exportTo,
);
/** See recordBuild. */
export const recordBuild: typeof record = checked(
  'recordBuild',
  {
    store,
    origin: having({
      command: texts,
      context: text,
      dockerfile: text,
      variables: listOf(anObject),
    }),
  },
  record,
);
/** See listBuilds of history/read-builds. */
export const listBuilds: typeof listKeptBuilds = checked('listBuilds', { store }, listKeptBuilds);
/** See readBuild of history/read-builds. */
export const readBuild: typeof readKeptBuild = checked(
  'readBuild',
  {
    store,
    id: text,
    options: optional(having({ follow: optional(flag), signal: optional(signal) })),
  },
  readKeptBuild,
);
/** See loadBuild of history/read-builds. */
export const loadBuild: typeof loadKeptBuild = checkedLater(
  'loadBuild',
  { store, id: text },
  loadKeptBuild,
);
/** See imageSbom. */
export const imageSbom: typeof sbom = checkedLater(
  'imageSbom',
  { store, name: text, access: subject },
  sbom,
);
/** See imageProvenance. */
export const imageProvenance: typeof provenance = checkedLater(
  'imageProvenance',
  { store, name: text, access: subject },
  provenance,
);
/** See diffPackages. */
export const diffPackages: typeof packages = checkedLater(
  'diffPackages',
  { store, before: text, after: text, access: subject },
  packages,
);
/** See diffFiles. */
export const diffFiles: typeof files = checkedLater(
  'diffFiles',
  { store, before: text, after: text, access: subject },
  files,
);
/** See findStepFiles. */
export const stepFiles: typeof findStepFiles = checkedLater(
  'stepFiles',
  {
    store,
    request: onePlatform,
    wanted: listOf(optional(having({ name: text, choose: call }))),
  },
  findStepFiles,
);
const layered = having({ layers: listOf(text) });
/** See diffSteps. */
export const diffSteps: typeof compareSteps = checkedLater(
  'diffSteps',
  { store, one: layered, other: optional(layered) },
  compareSteps,
);
const signed: Members = { reference: text, signal: optional(signal), registry: optional(anObject) };
/** See signImage. */
export const signImage: typeof sign = checkedLater(
  'signImage',
  { request: having({ ...signed, key: anObject, annotations: optional(mapOf(text)) }) },
  sign,
);
/** See verifyImage. */
export const verifyImage: typeof verify = checkedLater(
  'verifyImage',
  { request: having({ ...signed, keys: someOf(anObject) }) },
  verify,
);
