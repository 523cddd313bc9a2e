/** Real and faulty registries on loopback. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readRegistryConfig } from '../../../src/oci/registry/auth-config.js';
import type { RegistryOptions } from '../../../src/oci/registry/registry.js';
import type { RetryPolicy } from '../../../src/oci/registry/retry.js';

export interface TestRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  stop(): Promise<void>;
}

export interface RegistrySetup {
  /** Content of an htpasswd file. */
  readonly htpasswd?: string;
  readonly tls?: { readonly certificate: string; readonly key: string };
}

function getConfig(directory: string, setup: RegistrySetup): object {
  const tls =
    setup.tls === undefined
      ? {}
      : { tls: { certificate: setup.tls.certificate, key: setup.tls.key } };
  const auth =
    setup.htpasswd === undefined
      ? {}
      : { auth: { htpasswd: { realm: 'test', path: join(directory, 'htpasswd') } } };
  return {
    version: '0.1',
    log: { level: 'info', formatter: 'json', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(directory, 'data') }, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0', ...tls },
    ...auth,
  };
}

/** The address that the registry logs once it listens. */
function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let log = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      log += chunk.toString();
      const address = /listening on (127\.0\.0\.1:\d+)/.exec(log)?.[1];
      if (address !== undefined) resolve(address);
    });
    child.once('exit', () => reject(new Error(`docker-registry ended: ${log}`)));
  });
}

/** Starts Debian's docker-registry on a free port. */
export async function startRegistry(setup: RegistrySetup = {}): Promise<TestRegistry> {
  const directory = mkdtempSync(join(tmpdir(), 'wiac-registry-'));
  if (setup.htpasswd !== undefined) writeFileSync(join(directory, 'htpasswd'), setup.htpasswd);
  const config = join(directory, 'config.yml');
  // JSON is YAML.
  writeFileSync(config, JSON.stringify(getConfig(directory, setup)));
  const child = spawn('docker-registry', ['serve', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env.PATH, OTEL_TRACES_EXPORTER: 'none' },
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const host = await listening(child);
  return {
    host,
    async stop() {
      child.kill('SIGKILL');
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Decides on a request before it is passed on. @returns true when it was answered here */
export type Fault = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface FaultyRegistry extends TestRegistry {
  /** `METHOD path [range]` of every request. */
  readonly log: string[];
  fault: Fault;
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

/** Passes a request on; the registry sees the Host that the client used, so its URLs lead back. */
export function passOn(
  upstream: string,
  request: IncomingMessage,
  response: ServerResponse,
  transform: (chunk: Buffer, upstreamStatus: number) => Buffer = (chunk) => chunk,
): void {
  const [host, port] = upstream.split(':');
  const forwarded = httpRequest(
    { host, port, method: request.method, path: request.url, headers: request.headers },
    (answer) => {
      const status = answer.statusCode ?? 500;
      response.writeHead(status, answer.headers);
      answer.on('data', (chunk: Buffer) => response.write(transform(chunk, status)));
      answer.on('end', () => response.end());
    },
  );
  forwarded.on('error', () => response.destroy());
  request.on('error', () => forwarded.destroy());
  request.pipe(forwarded);
}

/** A registry that does something wrong in front of a real one. */
export async function startFaulty(upstream: string): Promise<FaultyRegistry> {
  const log: string[] = [];
  const state = { fault: (() => false) as Fault };
  const server = createServer((request, response) => {
    const { range } = request.headers;
    log.push(`${request.method} ${request.url}${range === undefined ? '' : ` ${range}`}`);
    if (!state.fault(request, response)) passOn(upstream, request, response);
  });
  const host = await listen(server);
  return {
    host,
    log,
    get fault() {
      return state.fault;
    },
    set fault(fault: Fault) {
      state.fault = fault;
    },
    stop: () => stop(server),
  };
}

/** A server of the test's own. */
export async function startServer(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<TestRegistry> {
  const server = createServer(handle);
  const host = await listen(server);
  return { host, stop: () => stop(server) };
}

/**
 * A proxy, for tunnels and for URLs, that leads everybody to one address, and logs where they wanted to go.
 * @param server what it listens with; plain http unless given
 */
export async function startProxy(
  target: string,
  server: Server = createServer(),
): Promise<TestRegistry & { readonly log: string[] }> {
  const log: string[] = [];
  const [targetHost, port] = target.split(':');
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { method, headers } = request;
    const { host: wanted, pathname, search } = new URL(request.url ?? '');
    log.push(wanted);
    const path = `${pathname}${search}`;
    const onward = httpRequest({ host: targetHost, port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  server.on('connect', (request, socket) => {
    log.push(request.url ?? '');
    const onward = connect(Number(port), targetHost, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.pipe(socket);
      socket.pipe(onward);
    });
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
  });
  return { host: await listen(server), log, stop: () => stop(server) };
}

/** A policy that does not wait, but remembers how long it would have. */
export function impatient(attempts = 4): RetryPolicy & { readonly waits: number[] } {
  const waits: number[] = [];
  return {
    attempts,
    firstDelay: 100,
    longestDelay: 60_000,
    waits,
    wait: async (milliseconds) => {
      waits.push(milliseconds);
    },
    random: () => 1,
  };
}

/** Options that know nothing of this machine's settings and credentials. */
export function options(
  env: NodeJS.ProcessEnv = {},
  more: Omit<RegistryOptions, 'config'> = {},
): RegistryOptions {
  const clean = { HOME: '/nonexistent', PATH: process.env.PATH, ...env };
  return { retry: impatient(), ...more, config: readRegistryConfig(clean) };
}
