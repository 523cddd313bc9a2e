/** Builds the targets of a bake file, writes what they ask for, and prints a line for each. */
import type { BakeTarget } from '../bake/bake-target.js';
import { formatEntry } from '../bake/field-entries.js';
import type { TargetBuild } from '../engine/bake/bake-builds.js';
import { bakeBuilds } from '../engine/bake/bake-builds.js';
import type { MergedEvents } from '../engine/bake/merged-events.js';
import { mergeEvents } from '../engine/bake/merged-events.js';
import type { DockerfileResult } from '../engine/build-dockerfile.js';
import type { EventSink } from '../engine/events.js';
import { isImageName } from '../store/images/store-images.js';
import type { Store } from '../store/store.js';
import { closeStore } from '../store/store.js';
import type { LogLevel, WarningLog } from '../ui/log.js';
import type { Progress, ProgressMode } from '../ui/progress.js';
import { progressOpener } from '../ui/progress.js';
import { UsageError } from '../util/errors.js';
import { abortOnSignal } from './abort-on-signal.js';
import { autoPrune } from './auto-prune.js';
import type { BakeSummary } from './bake-summary.js';
import { buildRequest } from './build-command.js';
import { openListeners } from './build-listeners.js';
import type { OutputPlan, WrittenOutputs } from './build-outputs.js';
import {
  carryOutOutputs,
  checkTimes,
  getDestination,
  planOutputs,
  writeMetadata,
} from './build-outputs.js';
import { readHistoryBounds, readPolicy } from './config-file.js';
import type { SharedOptions, TargetOptions } from './target-options.js';
import { targetOptions } from './target-options.js';
import { openUserStore } from './user-store.js';

/** What the command line says of the whole. */
export interface BakeBuildOptions extends SharedOptions {
  readonly jobs?: number;
  readonly quiet: boolean;
  readonly progress: ProgressMode;
  readonly logLevel: LogLevel;
  readonly report?: string;
  /** @throws UsageError when the targets ask for what is not allowed, by what their paths mean now */
  readonly requireGranted: (targets: readonly BakeTarget[]) => void;
}

/** A target that is ready to be built. */
interface Ready {
  readonly target: BakeTarget;
  readonly given: TargetOptions;
  readonly outputs: OutputPlan;
}

/** What is wrong is told before anything is built. @throws UsageError, UnsupportedError */
function prepare(targets: readonly BakeTarget[], options: SharedOptions): Ready[] {
  const ready = targets.map((target): Ready => {
    const given = targetOptions(target, options);
    for (const name of given.options.tag)
      if (!isImageName(name))
        throw new UsageError(`${target.name}: the tag ${name} is not a name`, {
          hint: 'write NAME:TAG, the name in lower case with digits and . _ - /',
        });
    return { target, given, outputs: planOutputs(given.options) };
  });
  const toStdout = ready.filter(({ outputs }) => outputs.stdoutTaken);
  if (toStdout.length > 1)
    throw new UsageError(
      `only one target can write to standard output, and ${toStdout.map(({ target }) => target.name).join(', ')} do`,
      { hint: 'give the others a dest=FILE' },
    );
  return ready;
}

/** The display of all targets, from the first event on; to close it once more does nothing. */
async function openDisplay(options: BakeBuildOptions) {
  const open = await progressOpener(options.progress, options.quiet);
  let shown: Progress | undefined;
  const emit: EventSink = (event) => {
    shown ??= open();
    shown.emit(event);
  };
  const close = (): void => {
    shown?.close();
    shown = undefined;
  };
  return { emit, close };
}

/** Does another target need the files of this one? */
function isNeeded({ target }: Ready, all: readonly Ready[]): boolean {
  return all.some(({ given }) => [...given.needs.values()].includes(target.name));
}

async function toBuild(
  store: Store,
  ready: Ready,
  all: readonly Ready[],
  options: BakeBuildOptions,
  { sinkOf }: MergedEvents,
  summary: BakeSummary | undefined,
  finished: Map<string, WrittenOutputs>,
  signal: AbortSignal,
  warn: WarningLog,
): Promise<TargetBuild> {
  const { target, given, outputs } = ready;
  const { dockerfileText } = given;
  const asked = await buildRequest(given.context, given.options, signal);
  const request = { ...asked, dockerfileText };
  const registry = request.registry ?? {};
  const show = sinkOf(target.name, (request.platforms?.length ?? 1) > 1);
  const listeners = openListeners(
    store,
    request,
    { ...options, tag: given.options.tag },
    () => ({ emit: show, close: () => {}, pause: () => {}, resume: () => {} }),
    { summary: undefined, openReport: summary?.openReport?.(target.name), warn },
  );
  const { explain, secret } = listeners;
  const summarize = summary?.sinkOf(target.name);
  const emit: EventSink = (event) => {
    summarize?.(event);
    listeners.emit(event);
  };
  const write = async (result: DockerfileResult): Promise<void> => {
    finished.set(target.name, await carryOutOutputs(outputs, store, result, registry, emit));
    await listeners.end(result, outputs.names);
  };
  return {
    name: target.name,
    needs: given.needs,
    check: () => options.requireGranted([target]),
    finish: write,
    onError: (error) => listeners.fail(error),
    request: {
      ...request,
      secret,
      names: outputs.names,
      cacheTo: (target.fields['cache-to'] ?? []).map((entry) => formatEntry('cache-to', entry)),
      destination: isNeeded(ready, all)
        ? undefined
        : getDestination(outputs, given.options, registry),
      onEvent: emit,
      explain,
      onInput: ({ epoch }) => checkTimes(outputs, epoch),
    },
  };
}

/** What is told of all targets together; mostly nobody asks. @throws UsageError */
async function getSummary(
  targets: readonly BakeTarget[],
  { report, progress }: BakeBuildOptions,
  warn: WarningLog,
): Promise<BakeSummary | undefined> {
  const path = progress === 'github' ? process.env.GITHUB_STEP_SUMMARY || undefined : undefined;
  if (report === undefined && path === undefined) return undefined;
  const { openBakeSummary } = await import('./bake-summary.js');
  const names = targets.map(({ name }) => name);
  return openBakeSummary(names, report, path, warn);
}

/** `NAME<TAB>lowerdirs` for each; with several platforms the name has its platform behind a slash. */
function resultLines(
  { target: { name } }: Ready,
  { platforms }: DockerfileResult,
  pushed: string | undefined,
): string[] {
  return platforms.map(({ plan, result }) => {
    const title = platforms.length > 1 ? `${name}/${plan.platform}` : name;
    return `${title}\t${result.elsewhere.size > 0 ? pushed : result.lowerdirs}\n`;
  });
}

/**
 * Builds them all.
 * @throws whatever made the first target fail
 */
export async function bakeTargets(
  root: string,
  targets: readonly BakeTarget[],
  options: BakeBuildOptions,
  warn: WarningLog,
): Promise<void> {
  readPolicy(process.env);
  readHistoryBounds(process.env);
  const ready = prepare(targets, options);
  if (!options.quiet) for (const { given } of ready) given.notices.forEach(warn);
  const summary = await getSummary(targets, options, warn);
  const stop = abortOnSignal();
  const progress = await openDisplay(options);
  const store = await openUserStore(root, warn);
  const events = mergeEvents(progress.emit, process.pid);
  const finished = new Map<string, WrittenOutputs>();
  try {
    const builds: TargetBuild[] = [];
    for (const each of ready)
      builds.push(
        await toBuild(store, each, ready, options, events, summary, finished, stop.signal, warn),
      );
    const results = await bakeBuilds(store, builds, stop.signal, options.jobs).finally(() =>
      stop.dispose(),
    );
    const asked = ready.filter(({ target }) => !target.isLinked);
    if (options.metadataFile !== undefined) {
      const content = asked.map(({ target }) => [target.name, finished.get(target.name)?.metadata]);
      await writeMetadata(store, options.metadataFile, Object.fromEntries(content));
    }
    events.end();
    // Standard output may be the same terminal.
    progress.close();
    const lines = asked.flatMap((each) => {
      const result = results.get(each.target.name);
      return result ? resultLines(each, result, finished.get(each.target.name)?.pushed) : [];
    });
    if (!ready.some(({ outputs }) => outputs.stdoutTaken)) process.stdout.write(lines.join(''));
    await summary?.write();
    const executed = [...results.values()].flatMap(({ platforms }) => platforms);
    if (executed.some(({ result }) => result.executed > 0)) {
      const problem = await autoPrune(store);
      if (problem !== undefined) warn(problem);
    }
  } catch (error) {
    progress.close();
    await summary?.write().catch((problem: Error) => warn(problem.message));
    throw error;
  } finally {
    stop.dispose();
    progress.close();
    await closeStore(store);
  }
}
