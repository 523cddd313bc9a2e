import { expect, test } from '@jest/globals';
import type { ReportData, ReportStep } from '../../src/report/report-data.js';
import { applyChange, openChanges } from '../../src/serve/report-changes.js';

const step = (id: string, status: ReportStep['status']): ReportStep => ({
  id,
  name: id,
  stage: '0',
  kind: 'run',
  text: `RUN ${id}`,
  file: 'Dockerfile',
  line: 1,
  endLine: 1,
  reads: [],
  status,
  duration: 0,
  inputs: [],
});

const report = (...platforms: ReportStep[][]): ReportData => ({
  version: 1,
  wiac: '1',
  started: 0,
  command: '',
  context: '',
  dockerfile: '',
  names: [],
  builds: platforms.map((steps) => ({
    platform: '',
    steps,
    duration: 0,
    ran: 0,
    cached: 0,
    saved: 0,
    path: { parts: [], busy: 0, floor: 0, work: 0 },
    transfers: [],
    notes: [],
  })),
  history: [],
});

test('only what changed is sent, and put together it is all', () => {
  const reports = [
    report([]),
    report([step('s1', 'running'), step('s2', 'unreached')]),
    report([step('s1', 'ran'), step('s2', 'unreached')]),
    // The next platform has steps of the same names.
    report([step('s1', 'ran'), step('s2', 'ran')], [step('s1', 'running')]),
    report([step('s1', 'ran'), step('s2', 'ran')], [step('s1', 'ran')]),
  ];
  const changesOf = openChanges();
  let shown: ReportData | undefined;
  const sent = reports.map((each) => {
    const change = changesOf(each);
    shown = applyChange(shown, JSON.parse(JSON.stringify(change)));
    expect(shown).toEqual(each);
    return change.report.builds.map(({ steps }) => steps.map(({ id }) => id));
  });
  expect(sent).toEqual([[[]], [['s1', 's2']], [['s1']], [['s2'], ['s1']], [[], ['s1']]]);
});
