/**
 * What `wiac ui` tells its page, as plain JSON. It imports types of reports alone, because the page knows
 * nothing of the engine. Times are ms, sizes bytes.
 */
import type { ReportData, ReportStep } from '../report/report-data.js';

/** The header that has the token. */
export const TOKEN_HEADER = 'x-wiac-token';

/** A build in the list. */
export interface BuildLine {
  readonly id: string;
  /** Since the epoch. */
  readonly started: number;
  readonly project: string;
  readonly target?: string;
  readonly status: 'ok' | 'failed' | 'interrupted' | 'running' | 'killed';
  readonly failed: readonly string[];
  readonly duration: number;
  readonly cached: number;
  readonly ran: number;
  readonly saved: number;
  readonly images: readonly string[];
}

/** A report, or what changed of it: steps are left out that are as before. */
export interface ReportChange {
  readonly report: Omit<ReportData, 'builds'> & {
    readonly builds: readonly (Omit<ReportData['builds'][number], 'steps'> & {
      /** Ids of all steps, in their order. */
      readonly order: readonly string[];
      readonly steps: readonly ReportStep[];
    })[];
  };
}

/** An entry of the cache. */
export interface EntryLine {
  readonly key: string;
  readonly text: string;
  readonly created: number;
  readonly lastUsed: number;
  readonly hits: number;
  readonly took: number;
  readonly files: number;
  readonly bytes: number;
}

export const ENTRY_SORTS = ['created', 'used', 'size', 'time', 'hits'] as const;
export type EntrySort = (typeof ENTRY_SORTS)[number];

/** A part of the entries. */
export interface EntryPage {
  readonly entries: readonly EntryLine[];
  /** Of the first one here. */
  readonly offset: number;
  /** That fit. */
  readonly total: number;
  readonly bytes: number;
}

export interface StoreUsage {
  readonly root: string;
  readonly entries: number;
  readonly layers: number;
  readonly images: number;
  readonly bytes: number;
  readonly diskBytes: number;
  readonly blobBytes: number;
  readonly indexBytes: number;
  readonly mountBytes: number;
  readonly reclaimableBytes: number;
}

export interface FileLine {
  readonly layer: string;
  readonly key?: string;
  readonly instruction: string;
  readonly path: string;
  readonly type: string;
  readonly mode: string;
  readonly size: number;
  readonly digest?: string;
}

export interface FoundFiles {
  readonly files: readonly FileLine[];
  /** There are others. */
  readonly more: boolean;
}

/** Options of `wiac cache prune`, as texts; empty ones are not given. */
export const PRUNE_OPTIONS = [
  'keepBytes',
  'keepDays',
  'filter',
  'older',
  'newer',
  'unused',
  'larger',
  'smaller',
] as const;
export type PruneTexts = Readonly<Partial<Record<(typeof PRUNE_OPTIONS)[number], string>>> & {
  readonly all?: boolean;
};

export interface PruneItem {
  readonly kind: string;
  readonly id: string;
  readonly text: string;
  readonly lastUsed: number;
  readonly bytes: number;
}

/** What a prune would remove, or did. */
export interface PruneOutcome {
  /** The largest. */
  readonly items: readonly PruneItem[];
  readonly count: number;
  readonly freed: number;
  readonly remaining: number;
  readonly warning?: string;
}

/** Why a request was refused. */
export interface UiProblem {
  readonly message: string;
  readonly hint?: string;
}
