/** Requests of the page to answers: no socket, no store. What is behind it comes as functions. */
import { NotFoundError, UsageError, WiacError } from '../util/errors.js';
import type { Verdict } from './gate.js';
import type {
  BuildLine,
  EntryPage,
  EntrySort,
  FoundFiles,
  PruneOutcome,
  PruneTexts,
  ReportChange,
  StoreUsage,
  UiProblem,
} from './ui-data.js';
import { ENTRY_SORTS, PRUNE_OPTIONS } from './ui-data.js';

/** Which entries are wanted. */
export interface EntryQuery {
  readonly text: string;
  readonly sort: EntrySort;
  readonly reverse: boolean;
  readonly offset: number;
  readonly count: number;
}

/** What the page can ask of a store. */
export interface UiServices {
  /** The list of builds, each time it changed. */
  readonly builds: (signal: AbortSignal) => AsyncIterable<readonly BuildLine[]>;
  /** @throws NotFoundError */
  readonly report: (id: string, signal: AbortSignal) => AsyncIterable<ReportChange>;
  readonly usage: () => StoreUsage;
  readonly entries: (query: EntryQuery) => EntryPage;
  readonly find: (wanted: string, signal: AbortSignal) => Promise<FoundFiles>;
  /** @throws UsageError for options that make no sense */
  readonly preview: (options: PruneTexts) => PruneOutcome;
  readonly prune: (options: PruneTexts) => PruneOutcome;
}

export type Answer =
  | { readonly kind: 'page' }
  | { readonly kind: 'json'; readonly status: number; readonly value: unknown }
  /** One after the other, as server-sent events. */
  | { readonly kind: 'events'; readonly values: AsyncIterable<unknown> };

export interface Question {
  readonly method: string;
  readonly verdict: Verdict;
  /** Of a POST. */
  readonly body: string;
  readonly signal: AbortSignal;
}

const PAGES = /^\/(?:store|builds\/[a-z2-7]{8})?$/;
/** Rows at once. */
const MOST_ROWS = 500;

const json = (value: unknown, status = 200): Answer => ({ kind: 'json', status, value });
const problem = (status: number, message: string, hint?: string): Answer =>
  json({ message, ...(hint === undefined ? {} : { hint }) } satisfies UiProblem, status);

function wholeNumber(text: string | null, most: number): number {
  const number = Number(text ?? 0);
  return Number.isInteger(number) && number >= 0 ? Math.min(number, most) : 0;
}

function entryQuery(query: URLSearchParams): EntryQuery {
  return {
    text: query.get('text') ?? '',
    sort: ENTRY_SORTS.find((each) => each === query.get('sort')) ?? 'created',
    reverse: query.get('reverse') === '1',
    offset: wholeNumber(query.get('offset'), Number.MAX_SAFE_INTEGER),
    count: wholeNumber(query.get('count') ?? '100', MOST_ROWS),
  };
}

/** @throws UsageError */
function pruneTexts(body: string): PruneTexts {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new UsageError('the request is no JSON');
  }
  const given = Object(value) as Readonly<Record<string, unknown>>;
  const texts = PRUNE_OPTIONS.flatMap((name) => {
    const text = given[name];
    return typeof text === 'string' && text.trim() !== '' ? [[name, text.trim()]] : [];
  });
  return { ...Object.fromEntries(texts), ...(given.all === true ? { all: true } : {}) };
}

async function ask(
  { method, body, signal }: Question,
  { path, query }: Extract<Verdict, { readonly may: 'all' }>,
  services: UiServices,
): Promise<Answer> {
  const [, id] = /^\/api\/builds\/([a-z2-7]{8})$/.exec(path) ?? [];
  if (method === 'GET') {
    if (path === '/api/builds') return { kind: 'events', values: services.builds(signal) };
    if (id !== undefined) return { kind: 'events', values: services.report(id, signal) };
    if (path === '/api/usage') return json(services.usage());
    if (path === '/api/entries') return json(services.entries(entryQuery(query)));
    if (path === '/api/files') return json(await services.find(query.get('wanted') ?? '', signal));
    if (PAGES.test(path)) return { kind: 'page' };
  }
  if (method === 'POST') {
    if (path === '/api/prune/preview') return json(services.preview(pruneTexts(body)));
    if (path === '/api/prune') return json(services.prune(pruneTexts(body)));
  }
  return problem(404, 'there is no such thing');
}

/** What a thrown value is to the page. */
function describeError(error: unknown): Answer {
  if (error instanceof WiacError) {
    const status = error instanceof UsageError ? 400 : error instanceof NotFoundError ? 404 : 500;
    return problem(status, error.message, error.hint);
  }
  return problem(500, (error as Error).message);
}

/** Never throws. */
export async function answer(question: Question, services: UiServices): Promise<Answer> {
  const { verdict } = question;
  if (verdict.may === 'nothing') return problem(403, verdict.why);
  if (verdict.may === 'page')
    return PAGES.test(verdict.path) ? { kind: 'page' } : problem(404, 'there is no such page');
  try {
    return await ask(question, verdict, services);
  } catch (error) {
    return describeError(error);
  }
}
