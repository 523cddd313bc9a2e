/** `wiac history builds` */
import { resolve } from 'node:path';
import { describeProject } from '../engine/history/describe-project.js';
import { listBuilds } from '../engine/history/read-builds.js';
import type { BuildStatus, BuildSummary } from '../engine/history/record.js';
import type { BuildFilter } from '../engine/history/select-build.js';
import { passesFilter } from '../engine/history/select-build.js';
import { formatAge, formatDuration, formatTable } from '../ui/format.js';
import { UsageError } from '../util/errors.js';
import { parseAge } from '../util/units.js';
import { withStore } from './with-store.js';

/** As commander gives them. */
interface BuildsOptions {
  readonly filter: readonly string[];
  readonly json: boolean;
}

const STATUSES: readonly BuildStatus[] = ['ok', 'failed', 'interrupted', 'running', 'killed'];
const FILTERS = `result=${STATUSES.join('|')}, target=STAGE, image=NAME:TAG, newer=AGE`;

/** One --filter. @throws UsageError */
function parseOne(text: string, now: number): BuildFilter {
  const [name = '', ...rest] = text.split('=');
  const value = rest.join('=');
  const statuses = STATUSES.filter((status) => value.split('|').includes(status));
  if (name === 'result' && statuses.length > 0) return { statuses };
  if (name === 'target' && value !== '') return { target: value };
  if (name === 'image' && value !== '') return { image: value };
  const age = name === 'newer' ? parseAge(value) : undefined;
  if (age !== undefined) return { since: now - age };
  throw new UsageError(`--filter ${text}: not understood`, { hint: `write ${FILTERS}` });
}

function describeResult({ status, totals: { failed } }: BuildSummary): string {
  return status === 'failed' && failed.length > 0 ? `failed at ${failed.join(', ')}` : status;
}

function toRow(build: BuildSummary, now: number): string[] {
  const { header, durationMs, totals } = build;
  const { cached, executed, savedMs } = totals;
  return [
    header.id,
    formatAge(now - header.started),
    describeProject(header),
    header.target ?? '-',
    describeResult(build),
    formatDuration(durationMs),
    `${cached} cached, ${executed} run`,
    formatDuration(savedMs),
  ];
}

const HEAD = ['ID', 'AGE', 'PROJECT', 'TARGET', 'RESULT', 'TIME', 'STEPS', 'SAVED'];

/** A build as --json prints it; docs/history.md lists the members. */
function toJson({ header, status, result, totals, durationMs }: BuildSummary) {
  const { type: _, version: __, process: ___, target, platforms, ...rest } = header;
  return {
    ...rest,
    target: target ?? null,
    platforms: platforms ?? null,
    status,
    durationMs,
    exitCode: result?.exitCode ?? null,
    images: result?.images ?? [],
    lowerdirs: result?.lowerdirs ?? [],
    ...totals,
  };
}

/** `wiac history builds [PATH]`: newest first. @throws UsageError */
export function historyBuildsCommand(
  path: string | undefined,
  { filter, json }: BuildsOptions,
): Promise<void> {
  return withStore(async (store) => {
    const now = Date.now();
    const project = path === undefined ? undefined : resolve(path);
    const wanted: BuildFilter = Object.assign(
      { project },
      ...filter.map((one) => parseOne(one, now)),
    );
    const builds: BuildSummary[] = [];
    for await (const build of listBuilds(store))
      if (passesFilter(build, wanted)) builds.push(build);
    process.stdout.write(
      json
        ? `${JSON.stringify(builds.map(toJson), null, 2)}\n`
        : formatTable([HEAD, ...builds.map((build) => toRow(build, now))]),
    );
  });
}
