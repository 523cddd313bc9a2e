/** --tls-verify, --authfile, --creds, --cert-dir, --retry: how this command reaches registries. */
import { existsSync } from 'node:fs';
import { readRegistryConfig } from '../oci/registry/auth-config.js';
import { certificateTrouble, readCertificates } from '../oci/registry/certificates.js';
import type { Credentials } from '../oci/registry/credentials.js';
import type { RegistryOptions } from '../oci/registry/registry.js';
import type { RetryPolicy } from '../oci/registry/retry.js';
import { DEFAULT_RETRY } from '../oci/registry/retry.js';
import { UsageError } from '../util/errors.js';

/** As commander gives them. */
export interface RegistryAccessOptions {
  readonly tlsVerify?: boolean;
  readonly authfile?: string;
  readonly creds?: string;
  readonly certDir?: string;
  readonly retry?: number;
  /** Milliseconds. */
  readonly retryDelay?: number;
}

/** The environment with --authfile in the place of $REGISTRY_AUTH_FILE. @throws UsageError */
function getEnvironment({ authfile }: RegistryAccessOptions): NodeJS.ProcessEnv {
  if (authfile === undefined) return process.env;
  if (!existsSync(authfile))
    throw new UsageError(`--authfile ${authfile}: there is no such file`, {
      hint: 'wiac login --authfile FILE makes one',
    });
  return { ...process.env, REGISTRY_AUTH_FILE: authfile };
}

/** `user:password`; with `user` alone wiac asks for the password on the terminal. @throws UsageError */
async function readCredentials(text: string): Promise<Credentials> {
  const [username = ''] = text.split(':', 1);
  if (username === '')
    throw new UsageError('--creds: the user name is missing', {
      hint: 'write --creds USER:PASSWORD',
    });
  const given = text.includes(':') ? text.slice(username.length + 1) : undefined;
  if (given !== undefined) return { kind: 'basic', username, password: given };
  if (!process.stdin.isTTY)
    throw new UsageError('--creds: the password is missing, and there is no terminal to ask', {
      hint: 'write --creds USER:PASSWORD, or wiac login --password-stdin and --authfile',
    });
  const { openPrompt } = await import('./prompt.js');
  const prompt = openPrompt();
  try {
    return { kind: 'basic', username, password: await prompt.ask('Password: ', false) };
  } finally {
    prompt.close();
  }
}

/** Checks --cert-dir before any registry is asked. @throws UsageError */
function checkCertificates(directory: string): void {
  try {
    readCertificates(directory);
  } catch (cause) {
    throw new UsageError(`--cert-dir ${directory}: ${certificateTrouble(cause)}`, {
      cause,
      hint: 'it holds authorities (*.crt), and *.cert each with its *.key',
    });
  }
}

function getRetry({ retry, retryDelay }: RegistryAccessOptions): RetryPolicy | undefined {
  if (retry === undefined && retryDelay === undefined) return undefined;
  return {
    ...DEFAULT_RETRY,
    ...(retry === undefined ? {} : { attempts: retry + 1 }),
    ...(retryDelay === undefined ? {} : { firstDelay: retryDelay }),
  };
}

/**
 * What the options say; nothing for a command that has none of them.
 * @throws UsageError, ImageError for a variable of the environment that can't be understood
 */
export async function registryAccess(options: RegistryAccessOptions): Promise<RegistryOptions> {
  const { tlsVerify, authfile, creds, certDir } = options;
  const retry = getRetry(options);
  const given = [tlsVerify, authfile, creds, certDir, retry];
  if (given.every((item) => item === undefined)) return {};
  const config = readRegistryConfig(getEnvironment(options));
  if (certDir !== undefined) checkCertificates(certDir);
  return {
    config: { ...config, certDir, tlsVerify },
    ...(creds === undefined ? {} : { credentials: await readCredentials(creds) }),
    ...(retry === undefined ? {} : { retry }),
  };
}
