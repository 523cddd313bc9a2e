/** RUN --mount=type=ssh: an agent for the keys of --ssh, and its socket for a step's user. */
import { chmodSync, chownSync, closeSync, constants, openSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { join } from 'node:path';
import { UsageError } from '../../util/errors.js';
import { readNamedFile } from '../../util/regular-file.js';
import type { AgentSource } from '../agent-source.js';

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

function readKey(file: string): Buffer {
  try {
    return readNamedFile(file);
  } catch (error) {
    throw new UsageError(`--ssh: ${(error as Error).message}`, { cause: error });
  }
}

/** Name of the socket of an agent of our own. */
const OWN_AGENT = 'keys';

/** Left alone the agent would look only every ten seconds whether the program is still there. */
const WAIT = 'echo ready; cat; kill $SSH_AGENT_PID';

/**
 * Starts an agent with the keys. It runs a program that waits for the end of its input: when this
 * process ends, however that happens, the program ends and the agent with it.
 */
async function startAgent(directory: string, keys: readonly string[]): Promise<() => void> {
  const { execa } = await import('execa');
  const agent = execa('ssh-agent', ['-a', OWN_AGENT, 'sh', '-c', WAIT], {
    cwd: directory,
    stdin: 'pipe',
    reject: false,
    buffer: false,
  });
  const close = () => agent.stdin.end();
  const ready = await new Promise((resume) => {
    agent.stdout.once('data', () => resume(true));
    void agent.then(() => resume(false));
  });
  if (!ready) {
    throw new UsageError('--ssh with key files needs ssh-agent', {
      hint: 'install openssh-client, or give the socket of an agent',
    });
  }
  for (const key of keys) {
    // Through standard input, because ssh-add asks more of a file's mode than docker does.
    const { exitCode, stderr } = await execa('ssh-add', ['-q', '-'], {
      cwd: directory,
      input: readKey(key),
      reject: false,
      env: { SSH_AUTH_SOCK: OWN_AGENT, SSH_ASKPASS_REQUIRE: 'never' },
    });
    if (exitCode === 0) continue;
    close();
    throw new UsageError(`--ssh: the key ${key} can't be used: ${stderr.split('\n')[0]}`, {
      hint: 'a key with a passphrase has to be loaded into an ssh-agent: ssh-add FILE, then --ssh ID',
    });
  }
  return close;
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
