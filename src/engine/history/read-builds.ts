/** Builds that are kept: the list, and all that is known of one. Whatever is in a file, reading it ends. */

import type { BuildFile } from '../../store/builds/build-files.js';
import { listBuildFiles } from '../../store/builds/build-files.js';
import { readEnds, readFileLines } from '../../store/builds/read-build-file.js';
import type { ProcessId } from '../../store/pins/live-process.js';
import type { Store as OpenStore } from '../../store/store.js';
import { NotFoundError } from '../../util/errors.js';
import { countTotals } from './build-totals.js';
import type {
  BuildHeader,
  BuildId,
  BuildRecord,
  BuildResultRow,
  BuildStatus,
  BuildSummary,
  RecordedEvent,
  RecordRow,
  Timed,
} from './record.js';
import { RECORD_VERSION } from './record.js';

/** No index is asked. */
type Store = Pick<OpenStore, 'paths'>;

/** A row; undefined for a line that a kill or a full disk left, and for what a newer wiac adds. */
function parseRow(line: string): RecordRow | undefined {
  try {
    const row: unknown = JSON.parse(line);
    return typeof (row as RecordRow | null)?.type === 'string' ? (row as RecordRow) : undefined;
  } catch {
    return undefined;
  }
}

function parseHeader(line: string): BuildHeader | undefined {
  const row = parseRow(line);
  if (row?.type !== 'build' || row.version !== RECORD_VERSION) return undefined;
  const { started, ...texts } = row;
  const isWhole =
    Number.isFinite(started) &&
    Array.isArray(row.command) &&
    [texts.id, texts.process, texts.context, texts.dockerfile].every(isText);
  return isWhole ? row : undefined;
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

/** What came of a build; undefined for another row, and for one that lacks what lists show. */
export function asResult(row: RecordRow | undefined): Timed<BuildResultRow> | undefined {
  if (row?.type !== 'result') return undefined;
  const { cached, executed, savedMs, failed } = row.totals ?? {};
  const isWhole =
    isText(row.outcome) &&
    [row.durationMs, cached, executed, savedMs].every(Number.isFinite) &&
    [failed, row.images, row.lowerdirs].every(Array.isArray);
  return isWhole ? row : undefined;
}

function isRunning(store: Store, { process }: BuildHeader): boolean {
  return store.paths.self.isAlive(process as ProcessId);
}

function getStatus(
  store: Store,
  header: BuildHeader,
  result: BuildResultRow | undefined,
): BuildStatus {
  return result?.outcome ?? (isRunning(store, header) ? 'running' : 'killed');
}

/** Rows of a build after the header, as they come. */
export type BuildRows = AsyncGenerator<Timed<RecordedEvent> | Timed<BuildResultRow>>;

/** How a build is read. */
export interface ReadOptions {
  /** Wait for more as long as the build runs. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

async function* readRows(store: Store, path: string, options: ReadOptions): BuildRows {
  let isDone = false;
  let header: BuildHeader | undefined;
  const goesOn = () =>
    options.follow === true && !isDone && header !== undefined && isRunning(store, header);
  for await (const line of readFileLines(path, goesOn, options.signal)) {
    const row = parseRow(line);
    if (row?.type === 'build') header = row;
    else if (row) {
      isDone ||= row.type === 'result';
      yield row;
    }
  }
}

async function summarize(store: Store, file: BuildFile): Promise<BuildSummary | undefined> {
  const { first, last } = readEnds(file.path);
  const header = parseHeader(first);
  if (!header) return undefined;
  const result = asResult(parseRow(last));
  if (result) {
    const { totals, durationMs, outcome: status } = result;
    return { header, status, result, totals, durationMs };
  }
  const { summary } = await collect(store, header, file.path);
  return summary;
}

async function collect(store: Store, header: BuildHeader, path: string) {
  const events: Timed<RecordedEvent>[] = [];
  const counter = countTotals();
  let result: Timed<BuildResultRow> | undefined;
  let at = 0;
  for await (const row of readRows(store, path, {})) {
    if (Number.isFinite(row.at)) at = Math.max(at, row.at);
    if (row.type === 'result') result = asResult(row);
    else {
      counter.add(row);
      events.push(row);
    }
  }
  const status = getStatus(store, header, result);
  // The clock may have been set back since.
  const until = status === 'running' ? Math.max(at, Date.now() - header.started) : at;
  const durationMs = result?.durationMs ?? until;
  const totals = result?.totals ?? counter.totals();
  return { summary: { header, status, result, totals, durationMs }, events };
}

/** Removed meanwhile; of another user (a build as root in this store); no file. */
const LEFT_OUT = new Set<unknown>(['ENOENT', 'EACCES', 'EISDIR']);

/** Without those that can't be read: one of them does not hide the others. */
async function ifReadable<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (LEFT_OUT.has((error as NodeJS.ErrnoException).code)) return undefined;
    throw error;
  }
}

/**
 * The builds that a store keeps, the newest first; each is read when it is asked for. What can't be understood
 * is left out.
 * @param known builds that ended, which are not read once more
 */
export async function* listBuilds(
  store: Store,
  known?: ReadonlyMap<string, BuildSummary>,
): AsyncGenerator<BuildSummary> {
  for (const file of listBuildFiles(store)) {
    const summary = known?.get(file.id) ?? (await ifReadable(() => summarize(store, file)));
    if (summary) yield summary;
  }
}

function openFile(store: Store, id: BuildId): { file: BuildFile; header: BuildHeader } {
  const file = listBuildFiles(store).find((one) => one.id === id);
  const header = file && parseHeader(readEnds(file.path).first);
  if (header) return { file, header };
  throw new NotFoundError(`there is no build ${id}`, {
    hint: 'wiac history builds lists those that are kept',
  });
}

/** A build as it is listed. @throws NotFoundError */
export async function findBuild(store: Store, id: BuildId): Promise<BuildSummary> {
  const { file, header } = openFile(store, id);
  return (await summarize(store, file)) ?? (await collect(store, header, file.path)).summary;
}

/**
 * What happened in a build, row by row: events, and the result at the end if there is one. An event `planned`
 * begins each platform.
 * @throws NotFoundError; the signal's reason
 */
export function readBuild(store: Store, id: BuildId, options: ReadOptions = {}): BuildRows {
  return readRows(store, openFile(store, id).file.path, options);
}

/** All that is kept of a build, at once. @throws NotFoundError */
export async function loadBuild(store: Store, id: BuildId): Promise<BuildRecord> {
  const { file, header } = openFile(store, id);
  const { summary, events } = await collect(store, header, file.path);
  const plans = events.flatMap((event) => (event.type === 'planned' ? [event.steps] : []));
  return { ...summary, plans, events };
}
