/** Asks a registry whether it accepts a user name and a password. */
import { ImageError } from '../image-error.js';
import { parseRegistryReference } from '../reference.js';
import type { RegistryConfig } from './auth-config.js';
import { bareHost, type Credentials } from './credentials.js';
import { openSession } from './registry-session.js';

/** Names that Docker Hub's registry has, or had. */
const DOCKER_HUB = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);

/**
 * The registry that a user names for login: a host with a port, or a URL as older documentation
 * has it.
 * @returns the host as in a reference
 * @throws ImageError
 */
export function loginHost(text: string): string {
  const host = bareHost(text);
  if (DOCKER_HUB.has(host)) return 'docker.io';
  if (host.includes('/') || host === '')
    throw new ImageError(`"${text}" is not a registry`, { hint: 'give its host[:port] alone' });
  if (!/[.:]/.test(host) && host !== 'localhost')
    throw new ImageError(`"${text}" is not a registry`, {
      hint: 'a host has a dot or a port, or is localhost',
    });
  return parseRegistryReference(`${host}/x`).host;
}

/**
 * Sends the credentials to the registry's base (distribution-spec, "Determining Support"), or to
 * the token server that it names.
 * @param host as in a reference
 * @throws ImageError when they are refused
 */
export async function verifyCredentials(
  host: string,
  credentials: Credentials,
  config: RegistryConfig,
): Promise<void> {
  const session = openSession(host, '', { config, credentials });
  try {
    const what = `log in to ${host}`;
    const answer = await session.request({
      method: 'GET',
      target: '',
      scopes: [],
      expect: [200],
      what,
    });
    await answer.dump();
  } catch (error) {
    if (!(error instanceof ImageError) || (error.status !== 401 && error.status !== 403))
      throw error;
    throw new ImageError(`registry ${host} does not accept the user name and password`, {
      registry: host,
      status: error.status,
      hint: 'check both; some registries want an access token instead of the password',
      cause: error,
    });
  } finally {
    await session.close();
  }
}
