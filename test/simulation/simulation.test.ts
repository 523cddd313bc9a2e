/**
 * A fleet of workers in simulated time, with the function that places chains. docs/scale.md has the report of
 * the whole fleet; `WIAC_SCALE=1` prints it, in some minutes. What is checked is a tenth of it.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import type { FleetReport } from './fleet.js';
import { describeScenarios, runScenario, SCENARIOS } from './scenarios.js';
import { makeTrace } from './trace.js';

const scale = Number(process.env.WIAC_SCALE ?? 0.1);

function report(name: string, workers = 1000): FleetReport {
  const scenario = SCENARIOS.find((one) => one.name === name && one.workers === workers);
  if (!scenario) throw new Error(name);
  return runScenario(scenario, 0.1);
}

test('every chain runs once, and not before those that it waits for', () => {
  const trace = makeTrace({ seed: 1, builds: 1000, seconds: 86_400, projects: 50 });
  const count = trace.reduce((all, { chains }) => all + chains.length, 0);
  expect(report('placed by layers held').chains).toBe(count);
  expect(report('anyone', 100).chains).toBe(count);
});

test('builds never take less than their longest way', () => {
  for (const scenario of SCENARIOS) expect(runScenario(scenario, 0.1).slowdown).toBeGreaterThan(1);
});

test('chains that are placed find most of their layers, and the registry is asked for less than half', () => {
  const placed = report('placed by layers held');
  const anyone = report('whoever has room');
  expect(placed.hitRate).toBeGreaterThan(anyone.hitRate + 0.2);
  expect(placed.fetched).toBeLessThan(anyone.fetched / 2);
  expect(placed.pushed).toBeCloseTo(anyone.pushed, -3);
});

test('docs/scale.md says what the simulation says', () => {
  const table = describeScenarios(scale);
  if (scale !== 0.1) process.stdout.write(`${table}\n`);
  expect(readFileSync('docs/scale.md', 'utf8')).toContain(table);
});
