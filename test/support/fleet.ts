/** A queue with everything that belongs to it, for one test: redis-server, a registry, workers, coordinators. */
import { spawn } from 'node:child_process';
import type { RedisServer, WorkerProcess } from './redis.js';
import { startRedis, startWorker } from './redis.js';
import type { Registry } from './registry.js';
import { startRegistry } from './registry.js';
import type { BuildEvent, Machine, Result } from './wiac.js';
import { machine, WIAC } from './wiac.js';

export interface Fleet {
  readonly redis: RedisServer;
  readonly registry: Registry;
  /** Reference of the cache. */
  readonly cache: string;
  /** Flags of a build. */
  readonly flags: readonly string[];
  readonly work: (name: string, ...flags: string[]) => Promise<WorkerProcess>;
  /** A build that must succeed, on a machine of its own unless one is given. */
  readonly build: (
    path: string,
    on?: Machine,
    ...flags: string[]
  ) => Promise<{ lowerdirs: string; events: BuildEvent[] }>;
  /** A build that may fail. */
  readonly tryBuild: (path: string, ...flags: string[]) => Promise<Result>;
  readonly stop: () => Promise<void>;
}

export async function startFleet(redisFlags?: readonly string[]): Promise<Fleet> {
  const [redis, registry] = await Promise.all([startRedis(redisFlags), startRegistry()]);
  const cache = `${registry.host}/cache`;
  const flags = ['--queue', redis.url, '--cache', cache];
  const workers: WorkerProcess[] = [];
  return {
    redis,
    registry,
    cache,
    flags,
    async work(name, ...more) {
      const worker = await startWorker(name, redis.url, cache, more);
      workers.push(worker);
      return worker;
    },
    build: (path, on = machine(), ...more) => on.build(path, ...flags, ...more),
    tryBuild: (path, ...more) =>
      machine().wiac(['build', '--progress=plain', ...flags, ...more, path]),
    async stop() {
      await Promise.all(workers.map((worker) => worker.kill('SIGTERM')));
      await Promise.all([redis.stop(), registry.stop()]);
    },
  };
}

/** A coordinator in a process that a test can end. */
export interface Coordinator {
  /** What it has said. */
  readonly said: () => string;
  /** Resolves once it has printed a text. */
  readonly printed: (text: string) => Promise<void>;
  readonly kill: (signal: NodeJS.Signals) => Promise<void>;
  readonly ended: Promise<{
    readonly code: number | null;
    readonly stdout: string;
    readonly stderr: string;
  }>;
}

/** @param root of its store */
export function startBuild(
  fleet: Fleet,
  path: string,
  root: string,
  ...flags: string[]
): Coordinator {
  const args = [WIAC, 'build', '--progress=plain', ...fleet.flags, ...flags, path];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, WIAC_ROOT: root },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data: Buffer) => {
    stdout += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
  });
  const ended = new Promise<Awaited<Coordinator['ended']>>((resume) =>
    child.once('close', (code) => resume({ code, stdout: stdout.trimEnd(), stderr })),
  );
  return {
    ended,
    said: () => stderr,
    printed: (text) =>
      until(
        () => stderr.includes(text),
        () => stderr,
      ),
    async kill(signal) {
      child.kill(signal);
      await ended;
    },
  };
}

/** Waits for a condition. @throws Error after ten seconds, with what there is instead */
export async function until(
  condition: () => boolean | Promise<boolean>,
  instead: () => string = () => '',
): Promise<void> {
  const begun = performance.now();
  while (!(await condition())) {
    if (performance.now() - begun > 10_000) throw new Error(`it did not come: ${instead()}`);
    await new Promise((resume) => setTimeout(resume, 20));
  }
}
