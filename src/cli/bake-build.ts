/** Builds the targets of a bake file, writes what they ask for, and prints a line for each. */
import type { BakeTarget } from '../bake/bake-target.js';
import { formatEntry } from '../bake/field-entries.js';
import type { TargetBuild } from '../engine/bake/bake-builds.js';
import { bakeBuilds } from '../engine/bake/bake-builds.js';
import type { MergedEvents } from '../engine/bake/merged-events.js';
import { mergeEvents } from '../engine/bake/merged-events.js';
import type { DockerfileBuild, DockerfileResult } from '../engine/build-dockerfile.js';
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
  readonly watch?: boolean;
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

/** What a target asks of the engine. @throws UsageError */
async function requestOf({ given }: Ready, signal: AbortSignal): Promise<DockerfileBuild> {
  const { context, options, dockerfileText } = given;
  return { ...(await buildRequest(context, options, signal)), dockerfileText };
}

/** Stands before what takes the events of a target. */
type Observe = (target: string, sink: EventSink) => EventSink;

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
  observe: Observe,
): Promise<TargetBuild> {
  const { target, given, outputs } = ready;
  const request = await requestOf(ready, signal);
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
  const emit = observe(target.name, (event) => {
    summarize?.(event);
    listeners.emit(event);
  });
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
      outputs: outputs.outputs.length > 0,
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

/** All that is the same each time the targets are built. */
interface Baking {
  readonly store: Store;
  readonly ready: readonly Ready[];
  readonly options: BakeBuildOptions;
  readonly warn: WarningLog;
  /** Called when nothing is built any more, and results are told of. */
  readonly afterBuilds: () => void;
}

/** Builds them all once. @param say gets the lines of the results @throws whatever made the first target fail */
async function bakeOnce(
  { store, ready, options, warn, afterBuilds }: Baking,
  signal: AbortSignal,
  observe: Observe,
  say: (lines: string) => void,
): Promise<ReadonlyMap<string, DockerfileResult>> {
  const targets = ready.map(({ target }) => target);
  const summary = await getSummary(targets, options, warn);
  const progress = await openDisplay(options);
  const events = mergeEvents(progress.emit, process.pid);
  const finished = new Map<string, WrittenOutputs>();
  try {
    const builds: TargetBuild[] = [];
    for (const each of ready)
      builds.push(
        await toBuild(
          store,
          each,
          ready,
          options,
          events,
          summary,
          finished,
          signal,
          warn,
          observe,
        ),
      );
    const results = await bakeBuilds(store, builds, signal, options.jobs).finally(afterBuilds);
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
    if (!ready.some(({ outputs }) => outputs.stdoutTaken)) say(lines.join(''));
    await summary?.write();
    const executed = [...results.values()].flatMap(({ platforms }) => platforms);
    if (executed.some(({ result }) => result.executed > 0)) {
      const problem = await autoPrune(store);
      if (problem !== undefined) warn(problem);
    }
    return results;
  } catch (error) {
    progress.close();
    await summary?.write().catch((problem: Error) => warn(problem.message));
    throw error;
  } finally {
    progress.close();
  }
}

/** --watch @throws InterruptedError in the end; UsageError, StoreError */
async function bakeAgain(root: string, baking: Baking, signal: AbortSignal): Promise<never> {
  const { store, ready, options } = baking;
  if (ready.some(({ outputs }) => outputs.stdoutTaken))
    throw new UsageError('--watch: an output can’t go to standard output again and again', {
      hint: 'give it a dest=FILE',
    });
  const [{ watchBake }, { errorForm, reportError }] = await Promise.all([
    import('../engine/bake/watch-bake.js'),
    import('./report.js'),
  ]);
  const targets = await Promise.all(
    ready.map(async (each) => ({
      name: each.target.name,
      needs: each.given.needs,
      request: await requestOf(each, signal),
    })),
  );
  let last = '';
  const say = (lines: string): void => {
    if (lines !== last) process.stdout.write(lines);
    last = lines;
  };
  return watchBake(
    store,
    targets,
    [root],
    signal,
    (until, observe) => bakeOnce(baking, until, observe, say),
    async (error) => void (await reportError(error, 'bake', errorForm(options.progress))),
  );
}

/**
 * Builds them all; with --watch again and again, until a signal ends it.
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
  if (options.report !== undefined)
    (await import('./build-report.js')).requireReportFile(options.report);
  if (options.metadataFile !== undefined)
    (await import('./result-file.js')).requireWritable('--metadata-file', options.metadataFile);
  const ready = prepare(targets, options);
  if (!options.quiet) for (const { given } of ready) given.notices.forEach(warn);
  const stop = abortOnSignal();
  const store = await openUserStore(root, warn);
  const baking = { store, ready, options, warn };
  try {
    if (options.watch)
      return await bakeAgain(root, { ...baking, afterBuilds: () => {} }, stop.signal);
    const say = (lines: string) => void process.stdout.write(lines);
    await bakeOnce(
      { ...baking, afterBuilds: stop.dispose },
      stop.signal,
      (_target, sink) => sink,
      say,
    );
  } finally {
    stop.dispose();
    await closeStore(store);
  }
}
