/** Debian's redis-server on a loopback port, and workers of a queue as processes with stores of their own. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from './registry.js';
import { sharedDir, tempDir, WIAC } from './wiac.js';

/** Resolves when a process has ended. */
function ended(child: ChildProcess): Promise<void> {
  return new Promise((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) resume();
    else child.once('exit', () => resume());
  });
}

/** A running redis-server. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Its directory. */
  readonly data: string;
  readonly client: Redis;
  /** Ends it, and starts it again at the same port, with what it has kept. */
  readonly restart: (signal?: NodeJS.Signals) => Promise<void>;
  /** Sends its process a signal. */
  readonly signal: (signal: NodeJS.Signals) => void;
  readonly stop: () => Promise<void>;
}

/** @param flags further ones of redis-server; without any it keeps nothing on disk */
export async function startRedis(flags: readonly string[] = ['--save', '']): Promise<RedisServer> {
  const data = sharedDir();
  const port = await freePort();
  const start = async (): Promise<ChildProcess> => {
    const own = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', data];
    const server = spawn('redis-server', [...own, ...flags], { stdio: 'ignore' });
    const probe = new Redis({ port, lazyConnect: true, retryStrategy: () => 20 });
    probe.on('error', () => {});
    await probe.connect().catch(() => {});
    while ((await probe.ping().catch(() => '')) !== 'PONG')
      await new Promise((resume) => setTimeout(resume, 20));
    probe.disconnect();
    return server;
  };
  let server = await start();
  const client = new Redis({ port, retryStrategy: () => 50, maxRetriesPerRequest: null });
  client.on('error', () => {});
  const end = async (signal: NodeJS.Signals = 'SIGTERM') => {
    server.kill(signal);
    await ended(server);
  };
  return {
    url: `redis://127.0.0.1:${port}/0`,
    port,
    data,
    client,
    signal: (signal) => void server.kill(signal),
    async restart(signal) {
      await end(signal);
      server = await start();
    },
    async stop() {
      client.disconnect();
      await end();
    },
  };
}

/** A worker's process. */
export interface WorkerProcess {
  readonly name: string;
  readonly root: string;
  /** What it has printed. */
  readonly log: () => string;
  /** Sends a signal, and does not wait. */
  readonly signal: (signal: NodeJS.Signals) => void;
  readonly kill: (signal: NodeJS.Signals) => Promise<void>;
}

/** Starts `wiac worker`. @param flags further ones @param root of its store @param under a program that runs it */
export async function startWorker(
  name: string,
  queue: string,
  cache: string,
  flags: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
  root = join(tempDir(), 'store'),
  under: readonly string[] = [],
): Promise<WorkerProcess> {
  const own = ['worker', '--queue', queue, '--cache', cache, '--name', name];
  const words = [...under, process.execPath, WIAC, ...own, '--lost-after', '2', ...flags];
  const child = spawn(words[0] ?? '', words.slice(1), {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, WIAC_ROOT: root, ...env },
  });
  let log = '';
  await new Promise<void>((resume, refuse) => {
    child.stderr.on('data', (data: Buffer) => {
      log += data.toString();
      if (log.includes('waits for steps')) resume();
    });
    child.once('exit', () => refuse(new Error(`the worker ended: ${log}`)));
  });
  return {
    name,
    root,
    log: () => log,
    signal: (signal) => void child.kill(signal),
    kill: async (signal) => {
      child.kill(signal);
      // A test that failed may have left it stopped.
      child.kill('SIGCONT');
      await ended(child);
    },
  };
}
