/** An ssh-agent of our own, for the key files of --ssh. */
import { UsageError } from '../util/errors.js';
import { readNamedFile } from '../util/regular-file.js';

function readKey(file: string): Buffer {
  try {
    return readNamedFile(file);
  } catch (error) {
    throw new UsageError(`--ssh: ${(error as Error).message}`, { cause: error });
  }
}

/** Name of its socket. */
export const OWN_AGENT = 'keys';

/** Left alone the agent would look only every ten seconds whether the program is still there. */
const WAIT = 'echo ready; cat; kill $SSH_AGENT_PID';

/**
 * Starts an agent with the keys. It runs a program that waits for the end of its input: when this
 * process ends, however that happens, the program ends and the agent with it.
 * @param directory trusted path of an empty one, where its socket goes
 * @returns what ends it
 * @throws UsageError for a key that can't be used
 */
export async function startAgent(directory: string, keys: readonly string[]): Promise<() => void> {
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
