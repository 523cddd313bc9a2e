/** The sockets of `wiac ui`: this machine alone, one answer a request, and nothing that goes on after the end. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UsageError } from '../util/errors.js';
import type { Answer, UiServices } from './answer.js';
import { answer } from './answer.js';
import type { UiSecrets } from './gate.js';
import { cookieName, judge } from './gate.js';

const MOST_BODY = 64 * 1024;

/** The page has a policy of its own for what is in it. */
const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
} as const;

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > MOST_BODY) throw new UsageError('the request is too long');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Values wait until those before them are with the reader. */
async function sendEvents(
  response: ServerResponse,
  values: AsyncIterable<unknown>,
  signal: AbortSignal,
): Promise<void> {
  response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/event-stream' });
  try {
    for await (const value of values)
      if (!response.write(`data: ${JSON.stringify(value)}\n\n`))
        await once(response, 'drain', { signal });
  } catch (error) {
    if (signal.aborted) return;
    const { message } = error as Error;
    response.write(`event: problem\ndata: ${JSON.stringify({ message })}\n\n`);
  }
  response.end('event: end\ndata: {}\n\n');
}

async function send(
  response: ServerResponse,
  reply: Answer,
  { page, secrets, signal }: { page: string; secrets: UiSecrets; signal: AbortSignal },
): Promise<void> {
  if (reply.kind === 'events') return sendEvents(response, reply.values, signal);
  if (reply.kind === 'json') {
    response.writeHead(reply.status, { ...HEADERS, 'Content-Type': 'application/json' });
    response.end(JSON.stringify(reply.value));
    return;
  }
  const cookie = `${cookieName(secrets.port)}=${secrets.cookie}; Path=/; HttpOnly; SameSite=Strict`;
  response.writeHead(200, {
    ...HEADERS,
    'Content-Type': 'text/html; charset=utf-8',
    'Set-Cookie': cookie,
  });
  response.end(page);
}

/** @returns false where the machine has no such address, or somebody else listens there */
async function listen(server: Server, port: number, host: string): Promise<boolean> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  }
}

/** A ui that answers. */
export interface RunningUi {
  /** With the token. */
  readonly url: string;
  readonly close: () => Promise<void>;
}

/**
 * @param page what esbuild.config.js made of src/page for it
 * @param port 0: any that is free
 * @throws UsageError when the port is taken
 */
export async function serveUi(
  services: UiServices,
  page: string,
  port: number,
): Promise<RunningUi> {
  const secret = () => randomBytes(24).toString('base64url');
  const [token, cookie] = [secret(), secret()];
  let secrets: UiSecrets = { port, token, cookie };
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const { signal } = gone;
    const { method = '', url = '', headers } = request;
    const verdict = judge({ method, url, headers }, secrets);
    try {
      // Of a stranger nothing is read.
      const body = verdict.may === 'all' && method === 'POST' ? await readBody(request) : '';
      const reply = await answer({ method, verdict, body, signal }, services);
      await send(response, reply, { page, secrets, signal });
    } catch {
      response.destroy();
    }
  };
  const make = () => createServer((request, response) => void handle(request, response));
  const servers = [make(), make()] as const;
  const [first, second] = servers;
  if (!(await listen(first, port, '127.0.0.1')))
    throw new UsageError(`--port ${port}: 127.0.0.1 has no such port that is free`, {
      hint: 'choose another one, or leave it out',
    });
  secrets = { ...secrets, port: (first.address() as AddressInfo).port };
  await listen(second, secrets.port, '::1');
  return {
    url: `http://127.0.0.1:${secrets.port}/?token=${token}`,
    async close() {
      const open = servers.filter(({ listening }) => listening);
      const ends = open.map((server) => once(server, 'close'));
      for (const server of open) {
        server.close();
        server.closeAllConnections();
      }
      await Promise.all(ends);
    },
  };
}
