/** Reports of builds that are kept, and of builds that go on. */
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { BuildLayers } from '../engine/contents/build-layers.js';
import { buildLayers } from '../engine/contents/build-layers.js';
import { pastBuilds } from '../engine/history/past-builds.js';
import { asResult, readBuild } from '../engine/history/read-builds.js';
import type { BuildResultRow, BuildSummary } from '../engine/history/record.js';
import type { Variables } from '../engine/history/redact-record.js';
import { openValueRedaction } from '../engine/history/redact-record.js';
import { parseLowerdirs } from '../executor/local/overlay.js';
import type { DefinitionKey } from '../keys/digest.js';
import type { StepId } from '../plan/step.js';
import type { CollectedBuild } from '../report/collect-events.js';
import { openCollection } from '../report/collect-events.js';
import { makeReport } from '../report/make-report.js';
import type { ReportData } from '../report/report-data.js';
import type { LayerId } from '../store/records.js';
import type { Store } from '../store/store.js';

/** How often a report is made of a build that goes on; the first time soon. ms */
const EVERY_MS = 500;
const SOON_MS = 100;
/** Of the time at most: a report of many steps and lines takes a while. */
const SHARE = 20;

function keysOf({ steps }: CollectedBuild): ReadonlyMap<StepId, DefinitionKey> {
  return new Map([...steps].flatMap(([id, { key }]) => (key === undefined ? [] : [[id, key]])));
}

/** The layers of a result, bottom first: links to layers have their names. */
function layersOf(lowerdirs: string): LayerId[] {
  return parseLowerdirs(lowerdirs)
    .map((path) => basename(path) as LayerId)
    .reverse();
}

/** What is still there of each platform's layers. */
async function readLayers(
  store: Store,
  builds: readonly CollectedBuild[],
  result: BuildResultRow | undefined,
): Promise<BuildLayers[]> {
  const layers: BuildLayers[] = [];
  for (const [index, build] of builds.entries()) {
    const wanted = layersOf(result?.lowerdirs[index] ?? '');
    layers.push(await buildLayers(store, keysOf(build), new Map(), wanted));
  }
  return layers;
}

/** Variables of steps, whose values may be secrets by their names: nobody kept those of the command line. */
function variablesOf(layers: readonly BuildLayers[]): Variables {
  const records = layers.flatMap(({ inputs }) =>
    [...inputs.values()].map((each) => each.operands.env),
  );
  return records.map((env) =>
    Object.fromEntries(
      Object.entries(Object(env) as Record<string, unknown>).filter(
        (pair): pair is [string, string] => typeof pair[1] === 'string',
      ),
    ),
  );
}

/** Another process prunes meanwhile: then the report does without. */
async function ifThere<T>(action: () => Promise<T[]>): Promise<T[]> {
  try {
    return await action();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/**
 * The report of a build, again and again while it goes on, and once more with its layers when it has ended.
 * @throws NotFoundError when the build is gone; the signal's reason
 */
export async function* followReport(
  store: Store,
  { header, status }: Pick<BuildSummary, 'header' | 'status'>,
  { follow = true, signal }: { readonly follow?: boolean; readonly signal?: AbortSignal } = {},
): AsyncGenerator<ReportData, void> {
  const collection = openCollection();
  let result: BuildResultRow | undefined;
  const past = await pastBuilds(store, header);
  const read = async (): Promise<'end'> => {
    for await (const row of readBuild(store, header.id, { follow, ...(signal && { signal }) }))
      if (row.type === 'result') result = asResult(row);
      else collection.add(row);
    return 'end';
  };
  const report = (state: ReportData['state'], layers: readonly BuildLayers[]): ReportData =>
    makeReport(collection, {
      header,
      exitCode: result?.exitCode,
      ...(state && { state }),
      names: result?.images ?? [],
      layers,
      past,
      redact: openValueRedaction(variablesOf(layers)),
    });
  const goOn = () => collection.reach(Date.now() - header.started);
  const pause = (ms: number) => delay(ms, undefined, { ref: false });
  const end = read();
  // Whoever asked may be gone before it is awaited once more.
  end.catch(() => undefined);
  for (let ms = SOON_MS; (await Promise.race([end, pause(ms)])) !== 'end'; ) {
    if (!follow) continue;
    const began = performance.now();
    goOn();
    const now = report('running', []);
    ms = Math.max(EVERY_MS, SHARE * (performance.now() - began));
    yield now;
  }
  const isRunning = !follow && status === 'running' && !result;
  if (isRunning) goOn();
  const layers = await ifThere(() => readLayers(store, collection.builds, result));
  yield report(result ? undefined : isRunning ? 'running' : 'killed', layers);
}

/** The report of a build as it is now. @throws NotFoundError when the build is gone */
export async function keptReport(store: Store, build: BuildSummary): Promise<ReportData> {
  let last: ReportData | undefined;
  for await (const report of followReport(store, build, { follow: false })) last = report;
  if (!last) throw new Error('a build has a report');
  return last;
}
