/** `wiac login`, `wiac logout` */

import { readRegistryConfig } from '../oci/registry/auth-config.js';
import { loginHost, verifyCredentials } from '../oci/registry/registry-login.js';
import type { Login } from '../oci/registry/save-credentials.js';
import { eraseLogin, otherLogins, saveLogin } from '../oci/registry/save-credentials.js';
import { UsageError } from '../util/errors.js';
import { openPrompt, type Prompt, readSecretInput } from './prompt.js';
import { registryAccess } from './registry-options.js';

/** Options of `wiac login`, as commander gives them. */
export interface LoginOptions {
  readonly username?: string;
  readonly password?: string;
  readonly passwordStdin: boolean;
  readonly authfile?: string;
  readonly tlsVerify?: boolean;
  readonly certDir?: string;
}

/** The environment with --authfile in the place of $REGISTRY_AUTH_FILE: the file need not be there. */
function getEnvironment({ authfile }: { readonly authfile?: string }): NodeJS.ProcessEnv {
  return authfile === undefined ? process.env : { ...process.env, REGISTRY_AUTH_FILE: authfile };
}

/** @throws UsageError when there is no terminal to ask on */
function openTerminal(missing: string): Prompt {
  if (process.stdin.isTTY) return openPrompt();
  throw new UsageError(`there is no terminal to ask for the ${missing} on`, {
    hint: 'give -u USER and --password-stdin',
  });
}

function checkOptions({ username, password, passwordStdin }: LoginOptions): void {
  if (passwordStdin && password !== undefined)
    throw new UsageError('--password and --password-stdin exclude each other');
  if (passwordStdin && username === undefined)
    throw new UsageError('--password-stdin needs the user name', { hint: 'give -u USER' });
  if (password !== undefined)
    process.stderr.write(
      'wiac: warning: others can see the password of -p in the list of processes; --password-stdin hides it\n',
    );
}

async function askForLogin(host: string, options: LoginOptions): Promise<Login> {
  const { username, password } = options;
  if (username !== undefined && password !== undefined) return { username, password };
  const prompt = openTerminal(username === undefined ? 'user name' : 'password');
  try {
    return {
      username: username ?? (await prompt.ask(`User name for ${host}: `, true)),
      password: password ?? (await prompt.ask('Password: ', false)),
    };
  } finally {
    prompt.close();
  }
}

async function readLogin(host: string, options: LoginOptions): Promise<Login> {
  checkOptions(options);
  const login = await askForLogin(
    host,
    options.passwordStdin ? { ...options, password: await readSecretInput() } : options,
  );
  // RFC 7617: the first colon ends the name.
  if (login.username === '' || login.username.includes(':'))
    throw new UsageError(`"${login.username}" is no user name`);
  if (login.password === '') throw new UsageError('the password is empty');
  return login;
}

/** Asks the registry first, and keeps what it accepts. @throws ImageError, UsageError */
export async function loginCommand(registry: string, options: LoginOptions): Promise<void> {
  const host = loginHost(registry);
  const login = await readLogin(host, options);
  const env = getEnvironment(options);
  const { tlsVerify, certDir } = options;
  const { config = readRegistryConfig(env) } = await registryAccess({
    ...(tlsVerify === undefined ? {} : { tlsVerify }),
    ...(certDir === undefined ? {} : { certDir }),
  });
  await verifyCredentials(host, { kind: 'basic', ...login }, config);
  const { place } = await saveLogin(host, login, env);
  process.stdout.write(`logged in to ${host}, kept in ${place}\n`);
  for (const file of await otherLogins(host, env))
    process.stderr.write(`wiac: warning: ${file} has a login for ${host} too, which comes first\n`);
}

/** @throws ImageError */
export async function logoutCommand(
  registry: string,
  options: { readonly authfile?: string },
): Promise<void> {
  const host = loginHost(registry);
  const env = getEnvironment(options);
  const erased = await eraseLogin(host, env);
  process.stdout.write(erased ? `logged out of ${host}\n` : `not logged in to ${host}\n`);
  for (const file of await otherLogins(host, env))
    process.stderr.write(`wiac: warning: ${file} still has a login for ${host}\n`);
}
