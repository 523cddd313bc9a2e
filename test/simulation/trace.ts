/**
 * A day of builds as a company's CI sees it. Pure: the same numbers for a seed each time. The sizes and times
 * are those of common Dockerfiles: a base image, packages of the distribution, dependencies behind a lock
 * file, the sources, tests beside the build, and a small image of what was built.
 */
import { generator } from '../support/random.js';

/** A layer. */
export interface SimulatedLayer {
  readonly diffId: string;
  /** Compressed. */
  readonly bytes: number;
}

/** Steps that travel together. */
export interface SimulatedChain {
  /** Of its first step. */
  readonly key: string;
  /** How long its steps run. Seconds. */
  readonly seconds: number;
  /** Numbers of the chains of the same build that it waits for. */
  readonly after: readonly number[];
  /** What it stands on and reads. */
  readonly layers: readonly SimulatedLayer[];
  readonly makes: SimulatedLayer;
}

export interface SimulatedBuild {
  /** When it begins. Seconds since the trace began. */
  readonly at: number;
  readonly chains: readonly SimulatedChain[];
}

export interface TraceRequest {
  readonly seed: number;
  readonly builds: number;
  /** They begin within so many seconds, more in the middle of each day. */
  readonly seconds: number;
  readonly projects: number;
}

const MB = 1e6;
const DAY = 86_400;

/** Services of a repository, and how many of all repositories have so many. */
const SERVICES = [
  [1, 0.5],
  [8, 0.3],
  [60, 0.15],
  [200, 0.05],
] as const;

/** Of all changes: the base or its packages, a lock file, sources alone. */
const BASE_CHANGES = 0.02;
const LOCK_CHANGES = 0.12;
/** Of the services of a repository that sources are changed of: shared code is in the others as well. */
const TOUCHED = 0.3;

interface Service {
  readonly name: string;
  readonly base: SimulatedLayer;
  packages: number;
  lock: number;
  source: number;
  /** How large and slow it is, beside others. */
  readonly weight: number;
}

/** A number around 1: most are near it, a few are much larger. */
function spread(random: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.exp(0.6 * normal);
}

function servicesOf(random: () => number): number {
  let left = random();
  for (const [count, share] of SERVICES) {
    left -= share;
    if (left < 0) return count;
  }
  return 1;
}

/** The chains of one service that its newest change has made necessary. */
function chainsOf(
  { name, base, packages, lock, source, weight }: Service,
  changed: 'base' | 'lock' | 'source',
  first: number,
  random: () => number,
): SimulatedChain[] {
  const layer = (kind: string, megabytes: number): SimulatedLayer => {
    return { diffId: `${name}/${kind}`, bytes: megabytes * MB * weight };
  };
  const system = layer(`packages${packages}`, 60);
  const dependencies = layer(`dependencies${packages}.${lock}`, 180);
  const sources = layer(`sources${source}`, 4);
  const built = layer(`built${source}`, 25);
  const chains: SimulatedChain[] = [];
  const add = (
    makes: SimulatedLayer,
    seconds: number,
    layers: readonly SimulatedLayer[],
    ...after: (number | undefined)[]
  ): number => {
    const number = first + chains.length;
    chains.push({
      key: makes.diffId,
      seconds: seconds * weight * spread(random),
      after: after.filter((one) => one !== undefined),
      layers,
      makes,
    });
    return number;
  };
  const prepared = changed === 'base' ? add(system, 40, [base]) : undefined;
  const installed =
    changed === 'source' ? undefined : add(dependencies, 75, [base, system], prepared);
  const below = [base, system, dependencies, sources];
  const build = add(built, 45, below, installed);
  add(layer(`tested${source}`, 1), 70, [...below, built], build);
  add(layer(`checked${source}`, 1), 25, below, installed);
  add(layer(`image${source}`, 26), 4, [base, built], build);
  return chains;
}

/** Builds in the order in which they begin. */
export function makeTrace({ seed, builds, seconds, projects }: TraceRequest): SimulatedBuild[] {
  const random = generator(seed);
  const bases = Array.from({ length: 12 }, (_, at): SimulatedLayer => {
    return { diffId: `base${at}`, bytes: (20 + 30 * at) * MB };
  });
  const all = Array.from({ length: projects }, (_, project) =>
    Array.from({ length: servicesOf(random) }, (_unused, at): Service => {
      // Few images are the base of most others.
      const base = bases[Math.floor(random() ** 2 * bases.length)] ?? { diffId: 'base', bytes: MB };
      const name = `project${project}/${at}`;
      return { name, base, packages: 0, lock: 0, source: 0, weight: spread(random) };
    }),
  );
  const times = Array.from({ length: builds }, () => {
    // Twice as many at noon as on average, few at night.
    for (;;) {
      const at = random() * seconds;
      if (random() * 2 < 1 - Math.cos((2 * Math.PI * at) / DAY)) return at;
    }
  }).sort((a, b) => a - b);
  return times.map((at) => {
    // A few repositories have most of the changes.
    const services = all[Math.floor(random() ** 3 * projects)] ?? [];
    const kind = random();
    const changed =
      kind < BASE_CHANGES ? 'base' : kind < BASE_CHANGES + LOCK_CHANGES ? 'lock' : 'source';
    const chains: SimulatedChain[] = [];
    for (const service of services) {
      if (services.length > 1 && random() > TOUCHED) continue;
      service.source += 1;
      if (changed !== 'source') service.lock += 1;
      if (changed === 'base') service.packages += 1;
      chains.push(...chainsOf(service, changed, chains.length, random));
    }
    return { at, chains };
  });
}
