/** A report that grows: what is sent of it each time, and how it is put together again. Pure. */
import type { ReportData, ReportStep } from '../report/report-data.js';
import type { ReportChange } from './ui-data.js';

/** @returns what changed since the last call; at first all of it */
export function openChanges(): (report: ReportData) => ReportChange {
  const sent = new Map<string, string>();
  return ({ builds, ...rest }) => ({
    report: {
      ...rest,
      builds: builds.map(({ steps, ...build }, index) => ({
        ...build,
        order: steps.map(({ id }) => id),
        steps: steps.filter((step) => {
          const key = `${index} ${step.id}`;
          const text = JSON.stringify(step);
          const isNew = sent.get(key) !== text;
          if (isNew) sent.set(key, text);
          return isNew;
        }),
      })),
    },
  });
}

/** @param before what was there until now; undefined at first */
export function applyChange(before: ReportData | undefined, { report }: ReportChange): ReportData {
  const { builds, ...rest } = report;
  return {
    ...rest,
    builds: builds.map(({ order, steps, ...build }, index) => {
      const known = new Map<string, ReportStep>();
      for (const step of [...(before?.builds[index]?.steps ?? []), ...steps])
        known.set(step.id, step);
      return { ...build, steps: order.flatMap((id) => known.get(id) ?? []) };
    }),
  };
}
