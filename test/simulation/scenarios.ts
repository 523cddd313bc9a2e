/** What docs/scale.md reports of, and how it says it. */
import { placeChain } from '../../src/executor/queue/place.js';
import type { FleetReport, FleetRequest } from './fleet.js';
import { simulate } from './fleet.js';
import { makeTrace } from './trace.js';

/** Measured on the machine of the benchmarks, or set: docs/scale.md says which is which. */
const FLEET: Omit<FleetRequest, 'workers' | 'registryRate' | 'place'> = {
  slots: 2,
  storeBytes: 100e9,
  announced: 4000,
  staleness: 3,
  overhead: 0.015,
  workerRate: 120e6,
};

export interface Scenario {
  readonly name: string;
  readonly workers: number;
  readonly builds: number;
  readonly place: FleetRequest['place'];
  readonly announced?: number;
  /** Bytes a second. */
  readonly registryRate?: number;
}

const anyone = () => undefined;

export const SCENARIOS: readonly Scenario[] = [
  { name: 'placed by layers held', workers: 1000, builds: 10_000, place: placeChain },
  { name: 'whoever has room', workers: 1000, builds: 10_000, place: anyone },
  {
    name: 'placed, 200 layers announced',
    workers: 1000,
    builds: 10_000,
    place: placeChain,
    announced: 200,
  },
  {
    name: 'placed, registry of 10 Gbit/s',
    workers: 1000,
    builds: 10_000,
    place: placeChain,
    registryRate: 1.25e9,
  },
  {
    name: 'anyone, registry of 10 Gbit/s',
    workers: 1000,
    builds: 10_000,
    place: anyone,
    registryRate: 1.25e9,
  },
  { name: 'placed', workers: 150, builds: 10_000, place: placeChain },
  { name: 'anyone', workers: 150, builds: 10_000, place: anyone },
  { name: 'placed', workers: 100, builds: 10_000, place: placeChain },
  { name: 'anyone', workers: 100, builds: 10_000, place: anyone },
];

const COLUMNS = [
  'workers',
  'builds a day',
  'chains go to',
  'of the bytes below, there already',
  'fetched a day',
  'slots busy',
  'wait for a slot: most chains',
  'the last 1 %',
  'builds take, beside nothing waited for',
];

function cells({ name, workers, builds }: Scenario, report: FleetReport): string[] {
  const { hitRate, fetched, utilisation, longestQueue, waited, slowdown } = report;
  return [
    String(workers),
    String(builds),
    name,
    `${(hitRate * 100).toFixed(0)} %`,
    `${(fetched / 1e12).toFixed(1)} TB`,
    `${(utilisation * 100).toFixed(0)} %`,
    String(longestQueue),
    `${waited.late.toFixed(0)} s`,
    slowdown.toFixed(2),
  ];
}

/** The same trace for those with as many builds. @param scale 1 for the numbers as they are named, less for a part of the fleet */
export function runScenario(scenario: Scenario, scale: number): FleetReport {
  const { workers, builds, place, announced = FLEET.announced, registryRate = 5e9 } = scenario;
  const trace = makeTrace({
    seed: 1,
    builds: builds * scale,
    seconds: 86_400,
    projects: 500 * scale,
  });
  return simulate(trace, {
    ...FLEET,
    workers: workers * scale,
    announced,
    registryRate: registryRate * scale,
    place,
  });
}

/** A table of all scenarios, in Markdown. @param scale see runScenario */
export function describeScenarios(scale: number): string {
  const rows = SCENARIOS.map((scenario) => {
    const { workers, builds } = scenario;
    const shown = { ...scenario, workers: workers * scale, builds: builds * scale };
    return cells(shown, runScenario(scenario, scale));
  });
  const line = (all: readonly string[]) => `| ${all.join(' | ')} |`;
  return [line(COLUMNS), line(COLUMNS.map(() => '---')), ...rows.map(line)].join('\n');
}
