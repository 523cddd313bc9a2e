/**
 * A fleet of workers in simulated time. Pure. What it costs to move a layer or to hand out a chain comes from
 * measurements (docs/scale.md); a step takes as long as the trace says.
 */
import type { Candidate, PlacedLayer } from '../../src/executor/queue/place.js';
import { createHeap } from '../../src/store/gc/heap.js';
import type { SimulatedBuild, SimulatedChain } from './trace.js';

export interface FleetRequest {
  readonly workers: number;
  readonly slots: number;
  /** What a worker keeps of layers. Bytes. */
  readonly storeBytes: number;
  /** How many layers a worker says that it holds: those it used last. */
  readonly announced: number;
  /** How old what it says may be. Seconds. */
  readonly staleness: number;
  /** To be handed out and reported. Seconds a chain. */
  readonly overhead: number;
  /** Of one worker, and of the registry for all of them. Bytes a second. */
  readonly workerRate: number;
  readonly registryRate: number;
  readonly place: (
    layers: readonly PlacedLayer[],
    holdings: { readonly holders: (diffId: string) => Iterable<SimulatedWorker> },
  ) => SimulatedWorker | undefined;
}

export interface SimulatedWorker extends Candidate {
  busy: number;
  /** Layers in the order in which they were used, the newest last. */
  readonly held: Map<string, number>;
  bytes: number;
}

/** What came of it. */
export interface FleetReport {
  readonly chains: number;
  /** Of the bytes that chains stand on: how many their workers had already. */
  readonly hitRate: number;
  readonly fetched: number;
  readonly pushed: number;
  /** Chains that waited for a slot: at the most, and how long they did. Seconds. */
  readonly longestQueue: number;
  readonly waited: { readonly median: number; readonly late: number };
  /** Of all slots, between the first build and the last. */
  readonly utilisation: number;
  /** At most, of all transfers at a time. */
  readonly transfers: number;
  /** How much longer builds took than with as many workers as they like, all layers at hand. */
  readonly slowdown: number;
  /** At most within an hour. */
  readonly chainsAnHour: number;
}

interface Task {
  readonly chain: SimulatedChain;
  readonly build: Running;
  readonly ready: number;
}

interface Running {
  readonly build: SimulatedBuild;
  readonly waitsFor: number[];
  left: number;
}

/** The longest way through a build: what it takes when nothing is waited for. */
function shortest({ chains }: SimulatedBuild): number {
  const ends: number[] = [];
  for (const { after, seconds } of chains)
    ends.push(Math.max(0, ...after.map((at) => ends[at] ?? 0)) + seconds);
  return Math.max(0, ...ends);
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
}

/** @throws Error when the simulation itself is wrong */
export function simulate(trace: readonly SimulatedBuild[], request: FleetRequest): FleetReport {
  const { slots, storeBytes, announced, staleness, overhead, workerRate, registryRate } = request;
  const events = createHeap<() => void>();
  let now = 0;
  const workers = Array.from({ length: request.workers }, (_, at): SimulatedWorker => {
    return { id: String(at).padStart(6, '0'), slots, busy: 0, held: new Map(), bytes: 0 };
  });
  /** Workers by what they have said that they hold. */
  const known = new Map<string, Set<SimulatedWorker>>();
  const free = new Set(workers);
  const queue: Task[] = [];
  let head = 0;
  const total = { base: 0, hit: 0, fetched: 0, pushed: 0, busy: 0, chains: 0 };
  let [transfers, mostTransfers, longestQueue] = [0, 0, 0];
  const waits: number[] = [];
  const hours = new Map<number, number>();
  let [took, least] = [0, 0];

  const forget = (worker: SimulatedWorker, diffId: string) => {
    const holders = known.get(diffId);
    holders?.delete(worker);
    if (holders?.size === 0) known.delete(diffId);
  };
  const announce = (worker: SimulatedWorker, diffId: string) => {
    if (!worker.held.has(diffId)) return;
    const holders = known.get(diffId) ?? new Set();
    known.set(diffId, holders.add(worker));
  };
  const hold = (worker: SimulatedWorker, diffId: string, bytes: number) => {
    if (worker.held.delete(diffId)) worker.bytes -= bytes;
    worker.held.set(diffId, bytes);
    worker.bytes += bytes;
    for (const [old, size] of worker.held) {
      if (worker.bytes <= storeBytes && worker.held.size <= announced) break;
      worker.held.delete(old);
      worker.bytes -= size;
      forget(worker, old);
    }
    events.push(now + staleness, () => announce(worker, diffId));
  };
  /** How long moving bytes takes beside what is moved already. */
  const move = (bytes: number): number => {
    const seconds = bytes / Math.min(workerRate, registryRate / (transfers + 1));
    transfers += 1;
    mostTransfers = Math.max(mostTransfers, transfers);
    events.push(now + seconds, () => {
      transfers -= 1;
    });
    return seconds;
  };

  const start = ({ chain, build, ready }: Task, worker: SimulatedWorker) => {
    waits.push(now - ready);
    worker.busy += 1;
    if (worker.busy > worker.slots) throw new Error('more steps than slots');
    if (worker.busy === worker.slots) free.delete(worker);
    const missing = chain.layers.filter(({ diffId }) => !worker.held.has(diffId));
    const sum = (layers: readonly PlacedLayer[]) =>
      layers.reduce((all, { bytes }) => all + bytes, 0);
    total.base += sum(chain.layers);
    total.hit += sum(chain.layers) - sum(missing);
    total.fetched += sum(missing);
    total.chains += 1;
    for (const { diffId, bytes } of chain.layers) hold(worker, diffId, bytes);
    const fetching = missing.length > 0 ? move(sum(missing)) : 0;
    const begun = now;
    events.push(now + overhead + fetching + chain.seconds, () => {
      hold(worker, chain.makes.diffId, chain.makes.bytes);
      total.pushed += chain.makes.bytes;
      events.push(now + move(chain.makes.bytes), () => {
        total.busy += now - begun;
        worker.busy -= 1;
        free.add(worker);
        finish(chain, build);
        takeNext(worker);
      });
    });
  };
  /** A worker with room takes what waits longest. */
  const takeNext = (worker: SimulatedWorker) => {
    while (worker.busy < worker.slots && head < queue.length) {
      const task = queue[head];
      head += 1;
      if (task) start(task, worker);
    }
  };
  const enqueue = (task: Task) => {
    const hour = Math.floor(now / 3600);
    hours.set(hour, (hours.get(hour) ?? 0) + 1);
    const placed = request.place(task.chain.layers, {
      holders: (diffId) => known.get(diffId) ?? [],
    });
    if (placed && placed.busy < placed.slots) return start(task, placed);
    const [any] = free;
    if (any) return start(task, any);
    queue.push(task);
    longestQueue = Math.max(longestQueue, queue.length - head);
  };
  const finish = (chain: SimulatedChain, build: Running) => {
    const number = build.build.chains.indexOf(chain);
    build.left -= 1;
    if (build.left === 0) took += now - build.build.at;
    for (const [at, next] of build.build.chains.entries()) {
      if (!next.after.includes(number)) continue;
      build.waitsFor[at] = (build.waitsFor[at] ?? 0) - 1;
      if (build.waitsFor[at] === 0) enqueue({ chain: next, build, ready: now });
    }
  };
  for (const build of trace) {
    const running: Running = {
      build,
      waitsFor: build.chains.map(({ after }) => after.length),
      left: build.chains.length,
    };
    least += shortest(build);
    events.push(build.at, () => {
      for (const chain of build.chains)
        if (chain.after.length === 0) enqueue({ chain, build: running, ready: now });
    });
  }
  for (let next = events.pop(); next; next = events.pop()) {
    now = next.priority;
    next.value();
  }
  const sorted = waits.sort((a, b) => a - b);
  const seconds = Math.max(1, (trace.at(-1)?.at ?? 0) - (trace[0]?.at ?? 0));
  return {
    chains: total.chains,
    hitRate: total.base === 0 ? 0 : total.hit / total.base,
    fetched: total.fetched,
    pushed: total.pushed,
    longestQueue,
    waited: { median: quantile(sorted, 0.5), late: quantile(sorted, 0.99) },
    utilisation: total.busy / (seconds * slots * request.workers),
    transfers: mostTransfers,
    slowdown: least === 0 ? 1 : took / least,
    chainsAnHour: Math.max(0, ...hours.values()),
  };
}
