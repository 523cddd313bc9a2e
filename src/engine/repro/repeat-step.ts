/** Runs a step a second time, on the layers of the first time, and compares what it made. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Executor } from '../../executor/executor.js';
import type { CopySources } from '../../executor/local/copy-sources.js';
import { compareLayers } from '../../fs/layer/compare-layers.js';
import { digestLayer } from '../../fs/layer/layer-digest.js';
import type { RunStep } from '../../plan/step.js';
import type { Runs, Verdict } from '../../repro/judge.js';
import { openJudge } from '../../repro/judge.js';
import type { RepeatedStep } from '../../repro/repro-report.js';
import type { RunFacts } from '../../repro/run-facts.js';
import { layerArchive } from '../../store/blobs/diff-ids.js';
import { findByDefinition } from '../../store/entries/entries.js';
import type { IndexScanStore } from '../../store/entries/scan-store.js';
import { discardDraftSoon, getDraft, layerFiles } from '../../store/layers/layer-store.js';
import { isKnownLayer } from '../../store/layers/remote-layers.js';
import { useLayers } from '../../store/pins/uses.js';
import type { LayerId } from '../../store/records.js';
import { StepFailedError } from '../../util/errors.js';
import type { BuildSession } from '../build-session.js';
import { layerDigests } from '../build-session.js';
import { needLayers } from '../images/needed-layers.js';
import { openLayerBlob } from '../layer-blob.js';
import type { StepState } from '../lookup.js';
import type { Repetition } from './vary.js';

/** Two runs are so far apart at least: zip and FAT count every second second. */
const APART_MS = 2100;

/** What the second runs of a build share. */
export interface Repeating {
  readonly session: BuildSession;
  /** Carries steps out in the changed way. */
  readonly executor: Executor<CopySources>;
  /** For digests of files that are thrown away. */
  readonly scanStore: IndexScanStore;
  readonly repetition: Repetition;
  /** Of the first run. */
  readonly usual: Pick<RunFacts, 'hostname' | 'cpus'>;
  /** See Runs. */
  readonly timesBefore: number | undefined;
}

/** A RUN step with what it stood on the first time. */
export interface StepToRepeat {
  readonly step: RunStep;
  readonly state: StepState;
  readonly base: StepState;
  readonly reads: readonly StepState[];
}

/** The layer of the first run, what it was made on, and when that was (ms since 1970). */
function firstRun({ store }: BuildSession, { step, state, base, reads }: StepToRepeat) {
  const layer = state.layers.at(-1);
  if (layer === undefined) throw new Error(`${step.id} has no layer`);
  const found = [base, ...reads].map(({ layers }) => layers);
  const record = state.key && findByDefinition(store, state.key);
  const now = Date.now();
  // Without its entry it may have been any time.
  if (!record) return { layer, layers: found, created: now, durationMs: now };
  const own = [record.base, ...record.readLayers];
  // A step below may have run again since, because its entry was removed.
  const layers = own.flat().every((id) => isKnownLayer(store, id)) ? own : found;
  return { layer, layers, created: record.created, durationMs: record.durationMs };
}

/** Compares the draft of the second run with the layer of the first one. */
async function compare(
  { session }: Repeating,
  first: LayerId,
  second: { readonly diff: string; readonly digest: string },
  runs: Runs,
): Promise<Verdict> {
  const [digest] = await layerDigests(session, [first]);
  const judge = openJudge(runs);
  // What is the same by its digest need not be read again, only asked for its times.
  const onlyTimes = digest === second.digest;
  const from = layerFiles(session.store, first);
  await compareLayers(from, second.diff, judge.add, { onlyTimes, signal: session.signal });
  return judge.conclude();
}

/**
 * Has a step carried out again and throws away what it makes.
 * @throws what an executor throws, but for a program that fails: that is a difference
 */
export async function repeatStep(
  repeating: Repeating,
  repeated: StepToRepeat,
): Promise<RepeatedStep> {
  const { session, executor, scanStore, repetition, usual, timesBefore } = repeating;
  const { store, signal, secret, sshAgent, restoreMount } = session;
  const { step } = repeated;
  const first = firstRun(session, repeated);
  const { layers } = first;
  useLayers(store, [...layers.flat(), first.layer]);
  await needLayers(session, [...layers.flat(), first.layer]);
  const wait = first.created + APART_MS - Date.now();
  // Its own error would not say why it was stopped.
  if (wait > 0)
    await sleep(Math.min(wait, APART_MS), undefined, { signal }).catch(() =>
      signal.throwIfAborted(),
    );
  const began = Date.now() / 1000;
  const [own, ...others] = layers.map((ids) => ids.map((id) => ({ id, diffId: undefined })));
  const about = { step: step.id, text: step.text, location: step.location };
  const inputs = {
    base: own ?? [],
    reads: others,
    place: undefined,
    former: undefined,
    identity: undefined,
  };
  const made = await executor
    .execute(step, inputs, {
      output: () => {},
      signal,
      secret,
      sshAgent,
      restoreMount,
      credentials: undefined,
      sources: undefined,
      openLayer: ({ id }) => layerArchive(store, id),
      openBlob: ({ id }) => openLayerBlob(session, id),
    })
    .catch((error: unknown) => {
      if (error instanceof StepFailedError) return error;
      throw error;
    });
  if (made instanceof StepFailedError) {
    const message = [made.message, ...made.lastLines].join('\n');
    return { ...about, outcome: 'failed', message, findings: [], differences: 0, times: 0 };
  }
  if (made.content.kind !== 'draft') throw new Error(`${step.id} has left no draft`);
  const draft = getDraft(store.paths, made.content.id);
  try {
    const { hostname, cpus, lastPid } = repetition;
    const seconds = first.created / 1000;
    const { opaque = [], withoutXattrs } = made;
    const { digest } = await digestLayer(draft.diff, opaque, scanStore, withoutXattrs);
    const verdict = await compare(
      repeating,
      first.layer,
      { diff: draft.diff, digest },
      {
        first: { ...usual, began: seconds - first.durationMs / 1000, ended: seconds },
        second: { hostname, cpus, lastPid, began, ended: Date.now() / 1000 },
        command: step.script === undefined ? step.text : `${step.text}\n${step.script}`,
        timesBefore,
      },
    );
    const { findings, total, times } = verdict;
    const outcome = total === 0 ? 'same' : 'different';
    return { ...about, outcome, findings, differences: total, times };
  } finally {
    await discardDraftSoon(store.paths, draft);
  }
}
