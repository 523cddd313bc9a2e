/** The ssh agent of git: that of `--ssh default`, or else whatever the environment says. */
import { closeSync, constants, mkdtempSync, openSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { removeTree } from '../fs/remove-tree.js';
import type { AgentSource } from './agent-source.js';
import { OWN_AGENT, startAgent } from './own-agent.js';

/** The id of the agent that repositories are fetched with, as docker build has it. */
const GIT_AGENT = 'default';

/** An agent, and a directory that is removed by others, also after a process that was killed. */
export interface GitAgent {
  readonly source: AgentSource;
  readonly scratch: () => string;
}

/** @param sshAgent what --ssh gives each id */
export function gitAgent(
  sshAgent: ((id: string) => AgentSource | undefined) | undefined,
  scratch: () => string,
): GitAgent | undefined {
  const source = sshAgent?.(GIT_AGENT);
  return source && { source, scratch };
}

/**
 * Lends an environment in which ssh finds the agent. For key files an agent is started, and ended when git has ended.
 * That happens for https:// too: git's settings may turn such an address into one of ssh, and submodules may be of ssh.
 * @throws UsageError for a key that can't be used
 */
export async function withGitAgent<T>(
  environment: NodeJS.ProcessEnv,
  agent: GitAgent | undefined,
  use: (environment: NodeJS.ProcessEnv) => Promise<T>,
): Promise<T> {
  if (agent === undefined) return use(environment);
  const { source, scratch } = agent;
  // git works in directories of its own.
  if ('socket' in source) return use({ ...environment, SSH_AUTH_SOCK: resolve(source.socket) });
  const directory = mkdtempSync(join(scratch(), 'ssh-'));
  // The path of a socket is limited to 107 bytes, and the directory may be anywhere.
  const descriptor = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  let stop = () => {};
  try {
    stop = await startAgent(directory, source.keys);
    const socket = `/proc/${process.pid}/fd/${descriptor}/${OWN_AGENT}`;
    return await use({ ...environment, SSH_AUTH_SOCK: socket });
  } finally {
    stop();
    closeSync(descriptor);
    removeTree(directory);
  }
}
