/** `wiac worker --metrics`: what a worker does, for Prometheus. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UsageError } from '../util/errors.js';

/** What is counted. */
export interface WorkerMetrics {
  /** A step has begun; call what it returns with how it ended. */
  readonly step: () => (end: 'done' | 'failed' | 'given back') => void;
  /** @param direction `in`: fetched, `out`: pushed. Bytes */
  readonly moved: (direction: 'in' | 'out', bytes: number) => void;
}

/** Counts nothing. */
export const NO_METRICS: WorkerMetrics = { step: () => () => {}, moved: () => {} };

/** Seconds. */
const DURATIONS = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600];

/** HTTP. */
const NOT_FOUND = 404;

/** HOST:PORT, [ADDRESS]:PORT or :PORT. @throws UsageError */
export function parseListen(text: string): { readonly host: string; readonly port: number } {
  const [, address, name = '', port = ''] = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  if (port === '' || Number(port) > 65_535)
    throw new UsageError(`--metrics ${text}: write HOST:PORT, such as 127.0.0.1:9464`);
  return { host: address ?? (name || '::'), port: Number(port) };
}

/** Metrics that are served until they are closed. */
export interface ServedMetrics {
  readonly metrics: WorkerMetrics;
  readonly address: string;
  readonly close: () => Promise<void>;
}

/**
 * Serves /metrics.
 * @param worker its name
 * @throws UsageError for an address that can't be listened on
 */
export async function serveMetrics(
  listen: string,
  worker: string,
  slots: number,
): Promise<ServedMetrics> {
  const { host, port } = parseListen(listen);
  const { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } = await import(
    'prom-client'
  );
  const register = new Registry();
  register.setDefaultLabels({ worker });
  const registers = [register];
  collectDefaultMetrics({ register });
  const busy = new Gauge({
    name: 'wiac_worker_steps_running',
    help: 'Steps that run now.',
    registers,
  });
  const all = new Gauge({
    name: 'wiac_worker_slots',
    help: 'Steps that may run at the same time.',
    registers,
  });
  const steps = new Counter({
    name: 'wiac_worker_steps_total',
    help: 'Steps by how they ended.',
    labelNames: ['end'],
    registers,
  });
  const durations = new Histogram({
    name: 'wiac_worker_step_seconds',
    help: 'How long steps took, fetching and pushing of layers included.',
    buckets: DURATIONS,
    registers,
  });
  const bytes = new Counter({
    name: 'wiac_worker_layer_bytes_total',
    help: 'Bytes of layers that were fetched (in) and pushed (out).',
    labelNames: ['direction'],
    registers,
  });
  all.set(slots);
  const server = createServer(async (request, response) => {
    if (request.url !== '/metrics') return void response.writeHead(NOT_FOUND).end();
    const text = await register.metrics();
    response.writeHead(200, { 'content-type': register.contentType }).end(text);
  });
  await new Promise<void>((resume, refuse) => {
    server.once('error', (cause) =>
      refuse(new UsageError(`--metrics ${listen}: ${cause.message}`, { cause })),
    );
    server.listen(port, host, resume);
  });
  const { address, port: own, family } = server.address() as AddressInfo;
  return {
    address: `http://${family === 'IPv6' ? `[${address}]` : address}:${own}/metrics`,
    metrics: {
      step() {
        busy.inc();
        const stop = durations.startTimer();
        return (end) => {
          busy.dec();
          stop();
          steps.inc({ end });
        };
      },
      moved: (direction, count) => bytes.inc({ direction }, count),
    },
    close: () =>
      new Promise((resume) => {
        server.close(() => resume());
        server.closeAllConnections();
      }),
  };
}
