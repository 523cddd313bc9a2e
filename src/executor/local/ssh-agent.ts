/** RUN --mount=type=ssh: the socket of an agent for a step's user. */
import { chmodSync, chownSync, closeSync, constants, openSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { join } from 'node:path';
import type { AgentSource } from '../../sources/agent-source.js';
import { OWN_AGENT, startAgent } from '../../sources/own-agent.js';

/** Who may use the socket in the container. */
export interface SocketOwner {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A socket to show to a step; `close` when the step has ended. */
export interface ShownAgent {
  readonly path: string;
  readonly close: () => void;
}

/**
 * An agent answers its own user and root alone; a step of another user is passed on by us. So its
 * socket also has the mode and owner that the Dockerfile asks for.
 */
async function relay(path: string, target: string): Promise<Server> {
  const { connect, createServer } = await import('node:net');
  const server = createServer((client: Socket) => {
    const agent = connect(target);
    const end = () => {
      client.destroy();
      agent.destroy();
    };
    client.on('error', end).on('close', end).pipe(agent);
    agent.on('error', end).on('close', end).pipe(client);
  });
  await new Promise<void>((resume, refuse) => {
    server.once('error', refuse).listen(path, resume);
  });
  return server;
}

/**
 * Opens an agent for one step.
 * @param directory an empty one for its sockets, which the caller removes
 * @throws UsageError for a key that can't be used
 */
export async function showAgent(
  source: AgentSource,
  owner: SocketOwner,
  directory: string,
): Promise<ShownAgent> {
  // The path of a socket is limited to 107 bytes, and the directory may be anywhere.
  const descriptor = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  const short = `/proc/self/fd/${descriptor}`;
  let stopAgent = () => {};
  try {
    if ('keys' in source) stopAgent = await startAgent(directory, source.keys);
    const target = 'keys' in source ? join(short, OWN_AGENT) : source.socket;
    const server = await relay(join(short, 'agent'), target);
    const path = join(directory, 'agent');
    chmodSync(path, owner.mode);
    chownSync(path, owner.uid, owner.gid);
    return {
      path,
      close: () => {
        server.close();
        stopAgent();
        closeSync(descriptor);
      },
    };
  } catch (error) {
    stopAgent();
    closeSync(descriptor);
    throw error;
  }
}
