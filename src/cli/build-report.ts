/** --report: a page about a build, in a file. */
import type { DockerfileBuild, DockerfileResult } from '../engine/build-dockerfile.js';
import type { BuildLayers } from '../engine/contents/build-layers.js';
import { buildLayers, statedInputs } from '../engine/contents/build-layers.js';
import type { BuildEvent, EventSink } from '../engine/events.js';
import { pastBuilds } from '../engine/history/past-builds.js';
import type { RecordedEvent, Timed } from '../engine/history/record.js';
import { toRecordedError } from '../engine/history/record-build.js';
import { recordedPlan } from '../engine/history/recorded-plan.js';
import {
  openRowWriter,
  openValueRedaction,
  redactCommand,
} from '../engine/history/redact-record.js';
import type { DefinitionKey } from '../keys/digest.js';
import type { Step, StepId } from '../plan/step.js';
import { openCollection } from '../report/collect-events.js';
import { fillPage } from '../report/fill-page.js';
import { makeReport } from '../report/make-report.js';
import type { ReportData } from '../report/report-data.js';
import type { Store } from '../store/store.js';
import { UsageError, WiacError } from '../util/errors.js';
import { openSteadyClock } from '../util/steady-clock.js';
import { VERSION } from '../util/version.js';
import { buildOrigin } from './keep-build.js';
import { readPage } from './read-page.js';
import { requireWritable, writeResultFile } from './result-file.js';

/** A page that is written when its build ends. */
export interface BuildReport {
  readonly emit: EventSink;
  /** The build is done. @throws UsageError when the file can't be written */
  readonly end: (result: DockerfileResult, names: readonly string[]) => Promise<void>;
  /** It is not, because of this error. @throws UsageError */
  readonly fail: (error: unknown) => Promise<void>;
  /** Keeps a text out of the page from now on: the content of a secret. */
  readonly hide: (text: string) => void;
}

/** Steps and keys of a platform, as its events told them. */
interface PlannedSteps {
  readonly steps: readonly Step[];
  readonly keys: Map<StepId, DefinitionKey>;
}

function notePlan(plans: PlannedSteps[], event: BuildEvent): void {
  if (event.type === 'planned') plans.push({ steps: event.steps, keys: new Map() });
  if (event.type === 'cached' || event.type === 'started')
    plans.at(-1)?.keys.set(event.step, event.key);
}

/** @param result undefined when the build failed: what is known of its layers is shown all the same */
async function readLayers(
  store: Store,
  plans: readonly PlannedSteps[],
  result: DockerfileResult | undefined,
): Promise<BuildLayers[]> {
  const layers: BuildLayers[] = [];
  for (const [index, { steps, keys }] of plans.entries()) {
    const built = result?.platforms[index];
    const ofResult = built?.result.states.get(built.plan.target)?.layers;
    layers.push(await buildLayers(store, keys, statedInputs(steps), ofResult ?? []));
  }
  return layers;
}

/** Writes the page. @throws UsageError when the file can't be written */
export function writeReport(file: string, report: ReportData): Promise<void> {
  return writeResultFile('--report', file, fillPage(readPage('report'), report));
}

/** @throws UsageError for a file that can't be written: before a build, not after it */
export function requireReportFile(file: string): void {
  if (file === '-')
    throw new UsageError('--report -: standard output is for the lowerdir string', {
      hint: 'give a file: --report report.html',
    });
  requireWritable('--report', file);
}

/**
 * Collects what happens in a build; without what must not be kept, as its record.
 * @param tags what the result is to be called
 * @param write what is done with the report of the whole
 */
export function openReport(
  store: Store,
  request: DockerfileBuild,
  tags: readonly string[],
  write: (report: ReportData) => Promise<void>,
): BuildReport {
  const { command, variables, context, dockerfile, target } = buildOrigin(request);
  const clock = openSteadyClock();
  const started = clock();
  const { write: toText, hide } = openRowWriter(variables);
  const collection = openCollection();
  const plans: PlannedSteps[] = [];
  const add = (event: RecordedEvent): void => {
    const row: Timed<RecordedEvent> = { ...event, at: clock() - started };
    collection.add(JSON.parse(toText(row)) as Timed<RecordedEvent>);
  };
  let isOpen = true;
  const finish = async (
    exitCode: number,
    names: readonly string[],
    result: DockerfileResult | undefined,
  ): Promise<void> => {
    isOpen = false;
    const redact = openValueRedaction(variables);
    const header = {
      wiac: VERSION,
      started,
      command: redactCommand(command).map((word) => redact('', word)),
      context,
      dockerfile,
      ...(target === undefined ? {} : { target }),
    };
    const report = makeReport(collection, {
      header,
      exitCode,
      names,
      layers: await readLayers(store, plans, result),
      past: await pastBuilds(store, header),
      redact,
    });
    await write(report);
  };
  return {
    hide,
    emit: (event) => {
      // Its line comes when it is whole.
      if (event.type === 'unfinished') return;
      notePlan(plans, event);
      add(event.type === 'planned' ? { ...event, steps: recordedPlan(event.steps) } : event);
    },
    end: (result, names) => finish(0, names, result),
    fail: async (error) => {
      // It is this page that could not be written.
      if (!isOpen) return;
      add({ type: 'error', ...toRecordedError(error) });
      await finish(error instanceof WiacError ? error.exitCode : 1, tags, undefined);
    },
  };
}
