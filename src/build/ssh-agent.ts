/** RUN --mount=type=ssh: an agent for the keys of --ssh, and its socket for a step's user. */
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../errors.js';

/** What --ssh gives an id: an agent that runs, or key files for one of our own. */
export type AgentSource = { readonly socket: string } | { readonly keys: readonly string[] };

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
    return readFileSync(file);
  } catch (error) {
    throw new UsageError(`--ssh: ${(error as Error).message}`, { cause: error });
  }
}

/** Left alone the agent would look only every ten seconds whether the program is still there. */
const WAIT = 'echo ready; cat; kill $SSH_AGENT_PID';

/**
 * Starts an agent with the keys. It runs a program that waits for the end of its input: when this
 * process ends, however that happens, the program ends and the agent with it.
 */
async function startAgent(directory: string, keys: readonly string[]): Promise<ShownAgent> {
  const { execa } = await import('execa');
  const path = join(directory, 'keys');
  const agent = execa('ssh-agent', ['-a', path, 'sh', '-c', WAIT], {
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
      input: readKey(key),
      reject: false,
      env: { SSH_AUTH_SOCK: path, SSH_ASKPASS_REQUIRE: 'never' },
    });
    if (exitCode === 0) continue;
    close();
    throw new UsageError(`--ssh: the key ${key} can't be used: ${stderr.split('\n')[0]}`, {
      hint: 'a key with a passphrase has to be loaded into an ssh-agent: ssh-add FILE, then --ssh ID',
    });
  }
  return { path, close };
}

/**
 * An agent answers its own user and root alone; a step of another user is passed on by us. So its
 * socket also has the mode and owner that the Dockerfile asks for.
 */
async function relay(path: string, target: string, owner: SocketOwner): Promise<Server> {
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
  chmodSync(path, owner.mode);
  chownSync(path, owner.uid, owner.gid);
  return server;
}

/** Opens an agent for one step. @throws UsageError for a key that can't be used */
export async function showAgent(source: AgentSource, owner: SocketOwner): Promise<ShownAgent> {
  // Not in the store: the path of a socket is limited to 107 bytes.
  const directory = mkdtempSync(join(tmpdir(), 'wiac-ssh-'));
  const removed = () => rmSync(directory, { recursive: true, force: true });
  try {
    const own = 'keys' in source ? await startAgent(directory, source.keys) : undefined;
    const path = join(directory, 'agent');
    const server = await relay(path, own?.path ?? ('socket' in source ? source.socket : ''), owner);
    return {
      path,
      close: () => {
        server.close();
        own?.close();
        removed();
      },
    };
  } catch (error) {
    removed();
    throw error;
  }
}
