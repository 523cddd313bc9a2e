/** `wiac worker` */
import { availableParallelism, hostname } from 'node:os';
import { openCacheBlobs } from '../engine/build-queue.js';
import { sweepControlGroups } from '../executor/local/cgroup.js';
import type { Isolation } from '../executor/local/container.js';
import { lazyWiacSys } from '../native/wiac-sys.js';
import { formatPlatform, hostPlatform, parsePlatform } from '../oci/platform.js';
import { readSignKey, readTrustKey } from '../shared-cache/signature.js';
import { sweepStore } from '../store/gc/sweep.js';
import { lazyScratch } from '../store/layers/layer-store.js';
import { printable } from '../util/printable.js';
import { runWorker } from '../worker/run-worker.js';
import { NO_METRICS, serveMetrics } from '../worker/serve-metrics.js';
import { abortOnSignal } from './abort-on-signal.js';
import { autoPrune } from './auto-prune.js';
import type { LimitOptions } from './container-limits.js';
import { parseLimits } from './container-limits.js';
import type { SetExitCode } from './declare/options.js';
import type { RegistryAccessOptions } from './registry-options.js';
import { registryAccess } from './registry-options.js';
import { findRuntime } from './runtime.js';
import { withStoreAsRoot } from './with-store.js';

/** As commander gives them. */
interface WorkerCommandOptions extends RegistryAccessOptions, LimitOptions {
  readonly queue: string;
  readonly sharedCache: string;
  readonly name?: string;
  readonly platform?: string;
  readonly label: readonly string[];
  readonly key?: string;
  readonly trustKey: readonly string[];
  /** HOST:PORT */
  readonly metrics?: string;
  readonly jobs?: number;
  /** Seconds. */
  readonly lostAfter: number;
  readonly grace: number;
  readonly isolation: Isolation;
  readonly runtime?: string;
}

/** This machine's name, in the letters that names of workers have. */
function ownName(): string {
  return (
    hostname()
      .replaceAll(/[^\w.-]/g, '-')
      .slice(0, 64) || 'worker'
  );
}

/** Runs until a signal ends it. @throws QueueError, UsageError */
export function workerCommand(
  options: WorkerCommandOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  return withStoreAsRoot(setExitCode, async (store) => {
    const { queue, sharedCache, name, platform, label, jobs, lostAfter, grace } = options;
    const key = options.key === undefined ? undefined : readSignKey(options.key, '--key ');
    const trusted = options.trustKey.map((file) => readTrustKey(file, '--trust-key '));
    const environment = process.env;
    if (store.paths.self.foundDead) sweepControlGroups();
    sweepStore(store);
    const { signal, dispose } = abortOnSignal();
    const blobs = await openCacheBlobs(sharedCache, await registryAccess(options), environment);
    const scratch = lazyScratch(store.paths);
    const sys = lazyWiacSys();
    let number = 0;
    const own = name ?? ownName();
    const slots = jobs ?? availableParallelism();
    const served =
      options.metrics === undefined ? undefined : await serveMetrics(options.metrics, own, slots);
    const machine = {
      store,
      blobs,
      pushing: new Map(),
      metrics: served?.metrics ?? NO_METRICS,
      sys,
      scratch: scratch.path,
      environment,
      isolation: options.isolation,
      runtime: findRuntime(options),
      limits: parseLimits(options),
      network: 'host' as const,
      nextNumber: () => {
        number += 1;
        return number;
      },
    };
    const platforms = platform?.split(',').map((text) => formatPlatform(parsePlatform(text)));
    try {
      if (served) process.stderr.write(`metrics at ${served.address}\n`);
      await runWorker(machine, {
        url: queue,
        name: own,
        platforms: platforms ?? [formatPlatform(hostPlatform())],
        labels: label,
        key,
        trusted,
        slots,
        lostAfterMs: lostAfter * 1000,
        graceMs: grace * 1000,
        signal,
        log: (line) => process.stderr.write(`${printable(line)}\n`),
        afterChain: async () => {
          const problem = await autoPrune(store);
          if (problem !== undefined) process.stderr.write(`wiac: warning: ${problem}\n`);
        },
      });
    } finally {
      dispose();
      sys.close();
      scratch.remove();
      await served?.close();
      await blobs.close();
    }
  });
}
